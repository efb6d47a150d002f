using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout of Hugging Face checkpoints.</summary>
internal sealed class RotaryEmbedding : IDisposable
{
    private readonly Tensor _cos;
    private readonly Tensor _sin;

    public RotaryEmbedding(ModelConfig config, ComputePlacement placement)
    {
        using var scope = NewDisposeScope();
        // The table is exact in float64 and rounded once.
        using Scalar count = config.MaxPositions;
        var position = arange(Scalars.Zero, count, Scalars.One, ScalarType.Float64).view(-1, 1, 1);
        var angle = position * tensor(Frequencies(config));
        var (cos, sin) = (angle.cos().to(placement.DType), angle.sin().to(placement.DType));
        // The sign of rotate-half, (−x₂, x₁), is kept in the table, so that rotating only swaps the halves.
        _cos = cat([cos, cos], dim: -1).to(placement.Device).DetachFromDisposeScope();
        _sin = cat([-sin, sin], dim: -1).to(placement.Device).DetachFromDisposeScope();
        MaxPositions = config.MaxPositions;
    }

    public long MaxPositions { get; }

    /// <summary>Cosine and sine of positions first … first + count − 1, each (count × 1 × head size).</summary>
    public (Tensor Cos, Tensor Sin) Range(long first, long count)
    {
        Require(first + count);
        return (_cos.narrow(0, first, count), _sin.narrow(0, first, count));
    }

    /// <summary>Cosine and sine of the given positions (N × T), each (N × T × 1 × head size).</summary>
    /// <param name="positions">Positions on the device; not read by the host.</param>
    /// <param name="count">Highest position + 1, as the host knows it.</param>
    public (Tensor Cos, Tensor Sin) At(Tensor positions, long count)
    {
        Require(count);
        var flat = positions.reshape(-1);
        long[] shape = [positions.shape[0], positions.shape[1], 1, _cos.shape[^1]];
        return (_cos.index_select(0, flat).view(shape), _sin.index_select(0, flat).view(shape));
    }

    /// <summary>Rotates queries or keys, (N × T × heads × head size).</summary>
    public static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        var swapped = x.roll(x.shape[^1] / 2, -1);
        return addcmul(x * cos, swapped, sin, Scalars.One);
    }

    private void Require(long count)
    {
        if (count > MaxPositions)
            throw new ArgumentOutOfRangeException(nameof(count), $"The model has {MaxPositions} positions (max_position_embeddings); {count} were asked for.");
    }

    public void Dispose()
    {
        _cos.Dispose();
        _sin.Dispose();
    }

    private static double[] Frequencies(ModelConfig config)
    {
        var frequencies = new double[config.HeadSize / 2];
        for (var i = 0; i < frequencies.Length; i++)
            frequencies[i] = Scale(Math.Pow(config.RopeTheta, -2.0 * i / config.HeadSize), config.RopeScaling);
        return frequencies;
    }

    // The Llama 3.1 rule: long wavelengths are stretched by the factor, short ones kept, those between blended.
    private static double Scale(double frequency, RopeScaling? scaling)
    {
        if (scaling is null) return frequency;
        if (scaling.Type == "linear") return frequency / scaling.Factor;
        var wavelength = 2 * Math.PI / frequency;
        if (wavelength < scaling.OriginalMaxPositions / scaling.HighFrequencyFactor) return frequency;
        if (wavelength > scaling.OriginalMaxPositions / scaling.LowFrequencyFactor) return frequency / scaling.Factor;
        var blend = (scaling.OriginalMaxPositions / wavelength - scaling.LowFrequencyFactor)
            / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return (1 - blend) * frequency / scaling.Factor + blend * frequency;
    }
}
