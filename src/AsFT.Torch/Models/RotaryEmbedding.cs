using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout of Hugging Face checkpoints.</summary>
internal sealed class RotaryEmbedding : IDisposable
{
    // Enough for most answers; then the table doubles.
    private const long FirstPositions = 256;

    private readonly double[] _frequencies;
    private readonly ComputePlacement _placement;
    private readonly Lock _lock = new();
    private Tensor? _cos;
    private Tensor? _sin;

    public RotaryEmbedding(ModelConfig config, ComputePlacement placement) =>
        (_frequencies, _placement, MaxPositions) = (Frequencies(config), placement, config.MaxPositions);

    /// <summary>Positions that may be asked for. The table holds those that were: contexts of a million are promised more often than used.</summary>
    public long MaxPositions { get; }

    /// <summary>Positions of a table that is asked for <paramref name="count"/> of them at once.</summary>
    public static long Positions(long count, long maxPositions) => Math.Min(maxPositions, Math.Max(count, FirstPositions));

    /// <summary>Bytes of the table as it is.</summary>
    public long Bytes => _cos is null ? 0 : 2 * _cos.numel() * _cos.element_size();

    /// <summary>Cosine and sine of positions first … first + count − 1, each (count × 1 × head size). They stay valid when the table grows.</summary>
    public (Tensor Cos, Tensor Sin) Range(long first, long count)
    {
        lock (_lock)
        {
            var (cos, sin) = Table(first + count);
            return (cos.narrow(0, first, count), sin.narrow(0, first, count));
        }
    }

    /// <summary>Cosine and sine of the given positions (N × T), each (N × T × 1 × head size).</summary>
    /// <param name="positions">Positions on the device; not read by the host.</param>
    /// <param name="count">Highest position + 1, as the host knows it.</param>
    public (Tensor Cos, Tensor Sin) At(Tensor positions, long count)
    {
        var flat = positions.reshape(-1);
        lock (_lock)
        {
            var (cos, sin) = Table(count);
            long[] shape = [positions.shape[0], positions.shape[1], 1, cos.shape[^1]];
            return (cos.index_select(0, flat).view(shape), sin.index_select(0, flat).view(shape));
        }
    }

    /// <summary>Rotates queries or keys, (N × T × heads × head size).</summary>
    public static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        var swapped = x.roll(x.shape[^1] / 2, -1);
        return addcmul(x * cos, swapped, sin, Scalars.One);
    }

    private (Tensor Cos, Tensor Sin) Table(long count)
    {
        if (count > MaxPositions)
            throw new ArgumentOutOfRangeException(nameof(count), $"The model has {MaxPositions} positions (max_position_embeddings); {count} were asked for.");
        var held = _cos?.shape[0] ?? 0;
        if (count <= held) return (_cos!, _sin!);
        using var scope = NewDisposeScope();
        // The table is exact in float64 and rounded once.
        using Scalar positions = Positions(Math.Max(count, 2 * held), MaxPositions);
        var position = arange(Scalars.Zero, positions, Scalars.One, ScalarType.Float64).view(-1, 1, 1);
        var angle = position * tensor(_frequencies);
        var (cos, sin) = (angle.cos().to(_placement.DType), angle.sin().to(_placement.DType));
        Dispose();
        // The sign of rotate-half, (−x₂, x₁), is kept in the table, so that rotating only swaps the halves.
        _cos = cat([cos, cos], dim: -1).to(_placement.Device).DetachFromDisposeScope();
        _sin = cat([-sin, sin], dim: -1).to(_placement.Device).DetachFromDisposeScope();
        return (_cos, _sin);
    }

    // What was handed out keeps its memory.
    public void Dispose()
    {
        _cos?.Dispose();
        _sin?.Dispose();
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
