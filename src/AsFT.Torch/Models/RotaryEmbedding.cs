using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Tables of rotary positions in the rotate-half layout of Hugging Face checkpoints; they grow with the sequences that ask for them.</summary>
internal sealed class RotaryEmbedding : IDisposable
{
    // Enough for most answers; then a table doubles.
    private const long FirstPositions = 256;

    private readonly RotarySpec _rotary;
    private readonly ComputePlacement _placement;
    private readonly int _width;
    private readonly Lock _lock = new();
    // Of sequences whose frequencies are the plain ones, and of those beyond; see RotaryFrequencies.IsBeyond.
    private readonly Table?[] _tables = new Table?[2];

    /// <summary>Cosines and sines of the first positions, (positions × 1 × rotated numbers).</summary>
    private sealed record Table(Tensor Cos, Tensor Sin, long Positions, long SameUpTo) : IDisposable
    {
        public void Dispose()
        {
            Cos.Dispose();
            Sin.Dispose();
        }
    }

    /// <param name="rotary">Base, share and scaling.</param>
    /// <param name="headSize">Numbers of a head.</param>
    /// <param name="maxPositions">Longest sequence.</param>
    /// <param name="placement">Device and number format of the tables.</param>
    public RotaryEmbedding(RotarySpec rotary, int headSize, long maxPositions, ComputePlacement placement)
    {
        (_rotary, _placement, MaxPositions) = (rotary, placement, maxPositions);
        _width = Width(rotary, headSize);
    }

    /// <summary>Positions that may be asked for. The tables hold those that were: contexts of a million are promised more often than used.</summary>
    public long MaxPositions { get; }

    /// <summary>Numbers of a head that are rotated.</summary>
    public static int Width(RotarySpec rotary, int headSize) => (int)(headSize * rotary.Share);

    /// <inheritdoc cref="RotaryFrequencies.SameUpTo"/>
    public long SameUpTo(long length) => RotaryFrequencies.SameUpTo(_rotary, length);

    /// <summary>Positions of a table that is asked for <paramref name="count"/> of them at once.</summary>
    public static long Positions(long count, long maxPositions) => Math.Min(maxPositions, Math.Max(count, FirstPositions));

    /// <summary>Bytes of the tables as they are.</summary>
    public long Bytes => _tables.OfType<Table>().Sum(table => 2 * table.Cos.numel() * table.Cos.element_size());

    /// <summary>Cosine and sine of positions first … first + count − 1, each (count × 1 × rotated numbers). They stay valid when the table grows.</summary>
    public (Tensor Cos, Tensor Sin) Range(long first, long count) =>
        Read(first + count, table => (table.Cos.narrow(0, first, count), table.Sin.narrow(0, first, count)));

    /// <summary>Cosine and sine of the given positions (N × T), each (N × T × 1 × rotated numbers).</summary>
    /// <param name="positions">Positions on the device; not read by the host.</param>
    /// <param name="count">Highest position + 1, as the host knows it.</param>
    public (Tensor Cos, Tensor Sin) At(Tensor positions, long count)
    {
        var flat = positions.reshape(-1);
        long[] shape = [positions.shape[0], positions.shape[1], 1, _width];
        return Read(count, table => (table.Cos.index_select(0, flat).view(shape), table.Sin.index_select(0, flat).view(shape)));
    }

    /// <summary>Rotates the first numbers of queries or keys, (N × T × heads × head size), and leaves the others.</summary>
    public static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        var (width, size) = (cos.shape[^1], x.shape[^1]);
        if (width < size) return cat([Rotate(x.narrow(-1, 0, width), cos, sin), x.narrow(-1, width, size - width)], dim: -1);
        var swapped = x.roll(width / 2, -1);
        return addcmul(x * cos, swapped, sin, Scalars.One);
    }

    // Views are taken before another thread can put a longer table in this one's place.
    private (Tensor Cos, Tensor Sin) Read(long length, Func<Table, (Tensor, Tensor)> take)
    {
        if (length > MaxPositions)
            throw new ArgumentOutOfRangeException(nameof(length), $"The model has {MaxPositions} positions (max_position_embeddings); {length} were asked for.");
        lock (_lock)
        {
            var sameUpTo = RotaryFrequencies.SameUpTo(_rotary, length);
            ref var table = ref _tables[RotaryFrequencies.IsBeyond(_rotary, length) ? 1 : 0];
            if (table is null || table.SameUpTo != sameUpTo || table.Positions < length)
            {
                var positions = Positions(Math.Max(length, 2 * (table?.Positions ?? 0)), Math.Min(MaxPositions, sameUpTo));
                table?.Dispose();
                table = Make(length, positions, sameUpTo);
            }
            return take(table);
        }
    }

    private Table Make(long length, long positions, long sameUpTo)
    {
        using var scope = NewDisposeScope();
        // The table is exact in float64 and rounded once.
        using Scalar count = positions, magnitude = _rotary.Scaling?.Magnitude ?? 1;
        var angle = arange(Scalars.Zero, count, Scalars.One, ScalarType.Float64).view(-1, 1, 1) * tensor(RotaryFrequencies.At(_rotary, _width, length));
        var (cos, sin) = (angle.cos().mul_(magnitude).to(_placement.DType), angle.sin().mul_(magnitude).to(_placement.DType));
        // The sign of rotate-half, (−x₂, x₁), is kept in the table, so that rotating only swaps the halves.
        return new Table(
            cat([cos, cos], dim: -1).to(_placement.Device).DetachFromDisposeScope(),
            cat([-sin, sin], dim: -1).to(_placement.Device).DetachFromDisposeScope(), positions, sameUpTo);
    }

    public void Dispose()
    {
        foreach (var table in _tables) table?.Dispose();
    }
}
