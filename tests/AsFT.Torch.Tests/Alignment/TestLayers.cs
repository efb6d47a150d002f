using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

/// <summary>LoRA layers that belong to no model.</summary>
internal static class TestLayers
{
    public static LoraLayer Create(string name, Tensor a, Tensor b, double scale = 1)
    {
        var linear = new LinearLayer(name, a.shape[1], b.shape[0], bias: false, new WeightSource((_, shape) => zeros(shape, a.dtype)));
        return new LoraLayer(linear, new Parameter(a.detach().clone()), new Parameter(b.detach().clone()), scale);
    }

    public static LoraLayer Random(string name, long outFeatures, long inFeatures, long rank, double scale = 1, ScalarType dtype = ScalarType.Float64, Generator? generator = null) =>
        Create(name, randn(rank, inFeatures, dtype, generator: generator), randn(outFeatures, rank, dtype, generator: generator), scale);

    /// <summary>max |x − y| / max |y|.</summary>
    public static double RelativeError(Tensor actual, Tensor expected) =>
        (actual.to(ScalarType.Float64) - expected.to(ScalarType.Float64)).abs().max().item<double>() / expected.abs().max().to(ScalarType.Float64).item<double>();
}
