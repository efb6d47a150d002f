using AsFT.Torch.Adapters;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Adapted layers of one shape, format, device and scale, whose matrices are handled as one batch.</summary>
internal sealed class LayerStack(IReadOnlyList<LoraLayer> layers)
{
    public IReadOnlyList<LoraLayer> Layers { get; } = layers;

    public Device Device => Layers[0].A.device;

    public ScalarType DType => Layers[0].A.dtype;

    public double Scale => Layers[0].Scale;

    /// <summary>Layers sorted into stacks, in the order in which shapes first appear.</summary>
    public static IReadOnlyList<LayerStack> Group(IEnumerable<LoraLayer> layers) =>
    [
        .. layers
            .GroupBy(layer => (layer.B.shape[0], layer.A.shape[1], layer.A.shape[0], layer.A.dtype, layer.A.device.ToString(), layer.Scale))
            .Select(group => new LayerStack([.. group])),
    ];

    // Copies: A and B are small beside what the forms read, and one batch of L layers beats L rounds of small launches
    // (10 layers of 64 × 64: sixfold on two cores; 64 of 1024 × 1024: by half). A single layer needs none.

    /// <summary>All A, (L × r × d_in).</summary>
    public Tensor A() => Layers.Count == 1 ? Layers[0].A.unsqueeze(0) : stack(Layers.Select(layer => layer.A));

    /// <summary>All B, (L × d_out × r).</summary>
    public Tensor B() => Layers.Count == 1 ? Layers[0].B.unsqueeze(0) : stack(Layers.Select(layer => layer.B));

    /// <summary>Adds to the gradients of all A, which are made where they are missing.</summary>
    /// <param name="gradient">(L × r × d_in).</param>
    /// <param name="factor">Multiplies the gradient.</param>
    public void AddToGradientsOfA(Tensor gradient, double factor)
    {
        for (var i = 0; i < Layers.Count; i++) Add(Layers[i].A, gradient.select(0, i), factor);
    }

    /// <summary>Adds to the gradients of all B, which are made where they are missing.</summary>
    /// <param name="gradient">(L × d_out × r).</param>
    /// <param name="factor">Multiplies the gradient.</param>
    public void AddToGradientsOfB(Tensor gradient, double factor)
    {
        for (var i = 0; i < Layers.Count; i++) Add(Layers[i].B, gradient.select(0, i), factor);
    }

    private static void Add(Parameter parameter, Tensor gradient, double factor)
    {
        using Scalar held = factor;
        // In place: a trainer may have laid its gradients side by side in one buffer.
        if (parameter.grad is { } sum) sum.add_(gradient, alpha: held);
        // libtorch keeps its own reference; the wrapper goes with the caller's scope.
        else parameter.grad = gradient * held;
    }
}
