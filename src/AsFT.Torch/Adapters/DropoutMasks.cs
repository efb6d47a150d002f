using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>
/// Dropout masks that are a function of (seed, step, micro-batch, layer, row, feature) and of nothing else: no generator, so
/// the mask is the same on every device, in a resumed run, and in a pass that is computed again for its gradient, whatever else
/// draws random numbers. TorchSharp seeds CPU generators alone; a mask drawn on another device could not be repeated.
/// </summary>
/// <remarks>
/// Feature j of row i is dropped where (s·uᵢ + t)·vⱼ mod 2³² falls below p·2³². u and v are tables of hashes, u odd; s (odd) and
/// t (even) are hashes of the pass and the layer. A multiplier s·uᵢ + t is odd and so permutes the 2³² numbers: within a row the
/// draws are as good as the hash behind v, and two rows or two passes agree more often than by chance only where the ratio of
/// their multipliers is close to a small fraction, about one pair in 10⁸. One product and one comparison per number is what it
/// costs; a hash of every number by itself takes a dozen. Int32 products wrap around on all of libtorch's devices.
/// </remarks>
/// <param name="probability">Of a feature to be dropped, in (0, 1).</param>
/// <param name="seed">Seed of all masks.</param>
internal sealed class DropoutMasks(double probability, long seed) : IDisposable
{
    private const ulong RowTable = 1, FeatureTable = 2;

    // p·2³², moved to where the signed numbers begin.
    private readonly Scalar _threshold = (int)Math.Clamp(Math.Round(int.MinValue + probability * 4294967296.0), int.MinValue, int.MaxValue);
    private readonly Lock _lock = new();
    private Tensor? _rows, _features;
    private ulong _place;

    /// <summary>1/(1 − p), by which what is kept is made larger.</summary>
    public double Scale { get; } = 1 / (1 - probability);

    /// <summary>Names the forward pass that follows.</summary>
    /// <param name="step">Optimizer steps done before it.</param>
    /// <param name="microBatch">Forward passes of the step done before it.</param>
    public void MoveTo(int step, int microBatch) => _place = ((ulong)(uint)step << 32) + (uint)microBatch;

    /// <summary>Zeroes the dropped features; what is kept stays as it is, see <see cref="Scale"/>.</summary>
    /// <param name="input">(…, features), all but the last dimension counted as rows.</param>
    /// <param name="layer">Number of the layer.</param>
    public Tensor Apply(Tensor input, int layer)
    {
        using var mask = Dropped(input.numel() / input.shape[^1], input.shape[^1], layer, input.device);
        return input.masked_fill(mask.view(input.shape), Scalars.Zero);
    }

    /// <summary>Which features are dropped, (rows × features) bool.</summary>
    /// <param name="rows">Rows of the pass.</param>
    /// <param name="features">Features of a row.</param>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="device">Where the mask is made.</param>
    public Tensor Dropped(long rows, long features, int layer, Device device)
    {
        using var scope = NewDisposeScope();
        var key = Hash(Hash((ulong)seed + Hash(_place)) + (ulong)layer);
        using Scalar factor = Low(key) | 1, offset = Low(key >> 32) & ~1;
        var (u, v) = (Table(ref _rows, RowTable, rows, device), Table(ref _features, FeatureTable, features, device));
        var multipliers = u.mul(factor).add_(offset, Scalars.One);
        return multipliers.unsqueeze(1).mul(v).lt(_threshold).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows?.Dispose();
        _features?.Dispose();
        _threshold.Dispose();
    }

    // Made on the host, so that every device has the same; kept, and made anew only for more rows than there were.
    private Tensor Table(ref Tensor? table, ulong name, long count, Device device)
    {
        lock (_lock)
        {
            if (table is null || table.shape[0] < count || table.device_type != device.type || table.device_index != device.index)
            {
                var values = new int[Math.Max(count, table is null ? 0 : 2 * table.shape[0])];
                for (var i = 0; i < values.Length; i++) values[i] = Low(Hash(Hash(name) + (ulong)i)) | (name == RowTable ? 1 : 0);
                table?.Dispose();
                table = tensor(values, device: device).DetachFromDisposeScope();
            }
            return table.narrow(0, 0, count);
        }
    }

    private static int Low(ulong value) => unchecked((int)(uint)value);

    // Output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbours in, unrelated numbers out.
    private static ulong Hash(ulong value)
    {
        unchecked
        {
            value += 0x9E3779B97F4A7C15;
            value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
            value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
            return value ^ (value >> 31);
        }
    }
}
