using AsFT.Torch.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>x / √(mean(x²) + ε) over the last dimension, weighed (Zhang and Sennrich, arXiv 1910.07467).</summary>
internal sealed class RmsNorm : ModelPart
{
    private readonly Parameter _weight;
    private readonly Scalar _epsilon;
    private readonly NormKind _kind;

    public RmsNorm(string name, long size, double epsilon, NormKind kind, WeightSource weights)
    {
        _epsilon = epsilon;
        _kind = kind;
        _weight = Own(weights, $"{name}.weight", size);
    }

    public Tensor forward(Tensor input)
    {
        // Half formats lose the sum of squares, so the statistics are taken in float32, as the reference models do.
        var x = input.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? input.to(ScalarType.Float32) : input;
        var scale = x.pow(Scalars.Two).mean([-1L], keepdim: true).add_(_epsilon, Scalars.One).rsqrt_();
        return _kind switch
        {
            NormKind.Weight => (x * scale).to(input.dtype) * _weight,
            NormKind.WeightRoundedOnce => (x * scale * _weight.to(x.dtype)).to(input.dtype),
            _ => (x * scale * _weight.to(x.dtype).add(Scalars.One, Scalars.One)).to(input.dtype),
        };
    }

    private protected override void Free() => _epsilon.Dispose();
}
