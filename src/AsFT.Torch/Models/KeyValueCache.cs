using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Keys and values of the tokens seen so far, allocated once and written in place.</summary>
public sealed class KeyValueCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    /// <summary>Allocates a cache of layers × 2 × rows × key-value heads × capacity × head size numbers.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">The model's device and number format.</param>
    /// <param name="rows">Rows of the batch, N.</param>
    /// <param name="capacity">Tokens per row at most, S.</param>
    public KeyValueCache(ModelConfig config, ComputePlacement placement, long rows, long capacity)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        long[] shape = [rows, config.KeyValueHeadCount, capacity, config.HeadSize];
        Tensor[] Allocate() => [.. Enumerable.Range(0, config.LayerCount)
            // Unwritten slots are never read, and their memory, where the system hands it out on first touch, never taken.
            .Select(_ => empty(shape, placement.DType, placement.Device).DetachFromDisposeScope())];
        _keys = Allocate();
        _values = Allocate();
        Rows = rows;
        Capacity = capacity;
    }

    /// <summary>Rows of the batch.</summary>
    public long Rows { get; private set; }

    /// <summary>Tokens per row at most.</summary>
    public long Capacity { get; }

    /// <summary>Tokens per row written so far, padding included.</summary>
    public long Length { get; private set; }

    /// <summary>Keys of a layer, (N × heads × capacity × head size).</summary>
    internal Tensor Keys(int layer) => _keys[layer];

    /// <summary>Values of a layer, (N × heads × capacity × head size).</summary>
    internal Tensor Values(int layer) => _values[layer];

    /// <summary>Writes a layer's new keys and values behind the old ones and returns all of them so far (views, N × heads × S × head size).</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        var count = keys.shape[2];
        if (Length + count > Capacity)
            throw new InvalidOperationException($"The cache holds {Capacity} tokens a row; {Length + count} were asked for.");
        _keys[layer].narrow(2, Length, count).copy_(keys);
        _values[layer].narrow(2, Length, count).copy_(values);
        return (_keys[layer].narrow(2, 0, Length + count), _values[layer].narrow(2, 0, Length + count));
    }

    /// <summary>Counts the tokens that all layers have written in one forward pass.</summary>
    internal void Advance(long count) => Length += count;

    /// <summary>Keeps only the given rows, in that order; finished rows are dropped this way.</summary>
    /// <param name="rows">Row numbers, (M) int64 on the cache's device.</param>
    public void SelectRows(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        foreach (var tensors in new[] { _keys, _values })
            for (var i = 0; i < tensors.Length; i++)
            {
                using var scope = NewDisposeScope();
                var old = tensors[i];
                long[] shape = [rows.shape[0], old.shape[1], Capacity, old.shape[3]];
                tensors[i] = empty(shape, old.dtype, old.device).DetachFromDisposeScope();
                tensors[i].narrow(2, 0, Length).copy_(old.narrow(2, 0, Length).index_select(0, rows));
                old.Dispose();
            }
        Rows = rows.shape[0];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _keys) tensor.Dispose();
        foreach (var tensor in _values) tensor.Dispose();
    }
}
