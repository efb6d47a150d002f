using AsFT.Torch.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>An update that a linear layer adds to its own output, such as LoRA.</summary>
internal interface ILinearAdapter
{
    /// <summary>Adds the update to a layer's output.</summary>
    /// <param name="input">What the layer got, (…, d_in).</param>
    /// <param name="output">What the layer made of it, (…, d_out).</param>
    /// <returns>The output with the update added, (…, d_out).</returns>
    Tensor Apply(Tensor input, Tensor output);

    /// <summary>What the update is made of, by name.</summary>
    IEnumerable<(string Name, Tensor Value)> Weights { get; }
}

/// <summary>y = x·Wᵀ + b, plus the update of an adapter where one is attached.</summary>
internal sealed class LinearLayer : ModelPart
{
    internal LinearLayer(string name, long inFeatures, long outFeatures, bool bias, WeightSource weights)
    {
        Name = name;
        InFeatures = inFeatures;
        OutFeatures = outFeatures;
        Weight = OwnMatrix(weights, $"{name}.weight", outFeatures, inFeatures);
        if (bias) Bias = Own(weights, $"{name}.bias", outFeatures);
    }

    /// <summary>Full name in the model, as in the checkpoint without <c>.weight</c>.</summary>
    public string Name { get; }

    /// <summary>d_in.</summary>
    public long InFeatures { get; }

    /// <summary>d_out.</summary>
    public long OutFeatures { get; }

    /// <summary>W, (d_out × d_in).</summary>
    internal WeightMatrix Weight { get; }

    /// <summary>b, (d_out), or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>The attached adapter, or null. The layer does not own it.</summary>
    internal ILinearAdapter? Adapter { get; set; }

    /// <summary>What the checkpoint holds of <see cref="Weight"/>, before it was rounded to the format of this model; null: not of a checkpoint, or changed since.</summary>
    internal double[]? StoredSample { get; set; }

    /// <summary>A few numbers of the weight, which tell it from other models' weights.</summary>
    internal double[] Sample()
    {
        if (StoredSample is not null) return StoredSample;
        using var scope = NewDisposeScope();
        return WeightSample.Of(Weight.Format == WeightFormat.Dense ? Weight.Parameter : Weight.Dense(ScalarType.Float32));
    }

    /// <summary>Makes sure that the weights of all layers can be written to and saved.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="purpose">What for, as a sentence begins.</param>
    /// <exception cref="InvalidOperationException">Some are quantised.</exception>
    internal static void RequireDense(IEnumerable<LinearLayer> layers, string purpose)
    {
        if (layers.FirstOrDefault(layer => layer.Weight.Format != WeightFormat.Dense) is { } quantized)
            throw new InvalidOperationException($"{purpose} needs a model whose weights are dense; '{quantized.Name}' of this one is held as {quantized.Weight.Format}. Load a checkpoint that is not quantised with {nameof(WeightFormat)}.{WeightFormat.Dense}.");
    }

    /// <summary>The layer's output, with an adapter's update.</summary>
    /// <param name="input">(…, d_in).</param>
    /// <returns>(…, d_out).</returns>
    public Tensor forward(Tensor input)
    {
        var output = Weight.Multiply(input, Bias);
        return Adapter is null ? output : Adapter.Apply(input, output);
    }
}
