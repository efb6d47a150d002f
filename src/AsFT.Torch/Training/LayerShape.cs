using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>One linear layer of a model that need not exist.</summary>
/// <param name="Name">Full name.</param>
/// <param name="Out">d_out.</param>
/// <param name="In">d_in.</param>
internal readonly record struct LayerShape(string Name, long Out, long In);

/// <summary>A model's tensors, laid out on the meta device, where they have a shape and no memory.</summary>
/// <param name="Linear">Its linear layers, in its order; a head of its own included.</param>
/// <param name="ParameterCount">Numbers in all weights.</param>
internal sealed record ModelShapes(IReadOnlyList<LayerShape> Linear, long ParameterCount)
{
    public static ModelShapes Of(ModelConfig config)
    {
        var meta = new ComputePlacement(new Device(TorchSharp.DeviceType.META), ScalarType.Float32);
        var first = $"{config.Spec.DecoderName}.layers.0.";
        var count = 0L;
        using var scope = NewDisposeScope();
        // All layers have the shapes of the first.
        using var model = new CausalLanguageModel(config with { LayerCount = 1 }, meta, new WeightSource((name, shape) =>
        {
            count += (name.StartsWith(first, StringComparison.Ordinal) ? config.LayerCount : 1) * shape.Aggregate(1L, (product, size) => product * size);
            return empty(shape, meta.DType, meta.Device);
        }));
        var linear = model.LinearLayers().Select(layer => new LayerShape(layer.Name, layer.OutFeatures, layer.InFeatures)).ToLookup(layer => layer.Name.StartsWith(first, StringComparison.Ordinal));
        var layers = Enumerable.Range(0, config.LayerCount).SelectMany(i => linear[true].Select(layer => layer with { Name = $"{config.Spec.DecoderName}.layers.{i}.{layer.Name[first.Length..]}" }));
        return new([.. layers, .. linear[false]], count);
    }
}
