using AsFT.Torch.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>The low-rank update of one linear layer: y + scale · dropout(x)·Aᵀ·Bᵀ.</summary>
public sealed class LoraLayer : ILinearAdapter, IDisposable
{
    private readonly double _dropout;
    private readonly Generator? _generator;
    // Held here, so that no collection frees it while libtorch reads it.
    private readonly Scalar _kept;

    internal LoraLayer(LinearLayer target, Parameter a, Parameter b, double scale, double dropout, Generator? generator)
    {
        (Target, A, B, Scale) = (target, a, b, scale);
        (_dropout, _generator) = (dropout, generator);
        _kept = 1 - dropout;
    }

    /// <summary>The adapted layer.</summary>
    public LinearLayer Target { get; }

    /// <summary>Full name of the adapted layer.</summary>
    public string Name => Target.Name;

    /// <summary>A, (r × d_in).</summary>
    public Parameter A { get; }

    /// <summary>B, (d_out × r).</summary>
    public Parameter B { get; }

    /// <summary>α/r, or α/√r with rsLoRA.</summary>
    public double Scale { get; }

    /// <summary>Whether dropout is active.</summary>
    public bool IsTraining { get; set; }

    /// <summary>Seed of the next dropout mask; null goes on where the generator stands. A pass that is computed twice draws the same mask twice.</summary>
    internal long? DropoutSeed { get; set; }

    /// <inheritdoc/>
    public Tensor Apply(Tensor input, Tensor output)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        if (IsTraining && _dropout > 0) input = input * DropoutMask(input);
        // A and B stay in float32; a half-precision model multiplies with rounded copies.
        var (a, b) = (A.to(input.dtype), B.to(input.dtype));
        var low = nn.functional.linear(input, a).view(-1, a.shape[0]);
        return addmm(output.view(-1, output.shape[^1]), low, b.t(), 1f, (float)Scale).view(output.shape);
    }

    // A generator of the adapter's own, so that a run does not depend on what else draws random numbers in the process.
    private Tensor DropoutMask(Tensor input)
    {
        if (DropoutSeed is { } seed)
        {
            if (_generator is null) manual_seed(seed);
            else _generator.manual_seed(seed);
        }
        return empty_like(input).bernoulli_(1 - _dropout, _generator).div_(_kept);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _kept.Dispose();
        A.Dispose();
        B.Dispose();
    }
}
