using AsFT.Torch.Runtime.Cpu;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation.Cpu;

internal sealed unsafe partial class CpuDecoder
{
    // Of the step under way.
    private int _rows;
    private int _gapEnd;
    private int _slot;
    private long[] _ids = [];
    private int[] _promptLengths = [];
    private int[] _positions = [];
    private nint[] _keys = [];
    private nint[] _values = [];
    private long _cacheRows;

    /// <summary>Reads one token of each row, writes its keys and values into the cache, and computes the logits of the next.</summary>
    /// <param name="ids">The tokens, one a row of the cache.</param>
    /// <param name="promptLengths">Cache slots that hold the row's prompt; between them and <paramref name="answersFrom"/> there is a gap.</param>
    /// <param name="positions">Position of each token.</param>
    /// <param name="answersFrom">Cache slot of every row's first generated token.</param>
    public void Step(long[] ids, int[] promptLengths, int[] positions, int answersFrom)
    {
        if (_cache.Length >= _cache.Capacity)
            throw new InvalidOperationException($"The cache holds {_cache.Capacity} tokens a row; {_cache.Length + 1} were asked for.");
        (_ids, _promptLengths, _positions) = (ids, promptLengths, positions);
        (_rows, _gapEnd, _slot) = (ids.Length, answersFrom, (int)_cache.Length);
        FindCache();
        _team.Run();
        _cache.Advance(1);
        GC.KeepAlive(_model);
    }

    /// <summary>Logits of the step, (rows × V), a new tensor.</summary>
    public Tensor Logits()
    {
        var logits = empty([_rows, _config.VocabularySize]);
        new ReadOnlySpan<byte>(_logits, checked(4 * _rows * _config.VocabularySize)).CopyTo(logits.bytes);
        return logits;
    }

    /// <summary>The most likely token of each row; <see cref="TokenChooser.NoToken"/> where the scores are not all finite.</summary>
    public long[] Likeliest() => [.. Enumerable.Range(0, _rows).Select(row =>
    {
        var logits = _logits + (long)row * _config.VocabularySize;
        return RowMath.AreFinite(logits, _config.VocabularySize) ? RowMath.LargestAt(logits, _config.VocabularySize) : TokenChooser.NoToken;
    })];

    // The cache moves when it loses rows, and only then.
    private void FindCache()
    {
        if (_cacheRows == _cache.Rows) return;
        _cacheRows = _cache.Rows;
        _keys = [.. Enumerable.Range(0, _layers.Length).Select(layer => (nint)Projection.Pointer(_cache.Keys(layer)))];
        _values = [.. Enumerable.Range(0, _layers.Length).Select(layer => (nint)Projection.Pointer(_cache.Values(layer)))];
    }

    private void Work(int member)
    {
        var own = _own[member];
        var hidden = _config.HiddenSize;
        for (var row = 0; row < _rows; row++)
            Buffer.MemoryCopy(_embedding + _ids[row] * hidden, own.Hidden + row * hidden, 4L * hidden, 4L * hidden);
        for (var i = 0; i < _layers.Length; i++)
        {
            var layer = _layers[i];
            Normalize(own, layer.InputNorm);
            Project(layer, own, member);
            _team.Meet();
            Attend(i, own, member);
            _team.Meet();
            Add(layer.Output, _attended, own, member);
            Normalize(own, layer.PostAttentionNorm);
            Activate(layer, own, member);
            _team.Meet();
            Add(layer.Down, _activated, own, member);
        }
        Normalize(own, _norm);
        _head.Apply(own.Normalized, _rows, _logits, _config.VocabularySize, _head.Share(member, _team.Size), own.Low, own.Products, own.Numbers);
        _team.Meet();
    }

    private void Normalize(in Own own, float* weight)
    {
        int hidden = _config.HiddenSize, spacing = NarrowProduct.Stride(hidden);
        for (var row = 0; row < _rows; row++)
            RowMath.Normalize(own.Hidden + row * hidden, weight, own.Normalized + row * spacing, hidden, _config.RmsNormEpsilon);
    }

    // Queries, keys and values of a row stand behind each other.
    private void Project(Layer layer, in Own own, int member)
    {
        int queries = layer.Query.OutFeatures, keys = layer.Key.OutFeatures, stride = queries + 2 * keys;
        layer.Query.Apply(own.Normalized, _rows, _projected, stride, layer.Query.Share(member, _team.Size), own.Low, own.Products, own.Numbers);
        layer.Key.Apply(own.Normalized, _rows, _projected + queries, stride, layer.Key.Share(member, _team.Size), own.Low, own.Products, own.Numbers);
        layer.Value.Apply(own.Normalized, _rows, _projected + queries + keys, stride, layer.Value.Share(member, _team.Size), own.Low, own.Products, own.Numbers);
    }

    /// <summary>Attention of the pairs of row and key-value head that are the member's.</summary>
    private void Attend(int layer, in Own own, int member)
    {
        int heads = _config.KeyValueHeadCount, size = _config.HeadSize, group = _config.HeadCount / heads;
        int queries = _config.HeadCount * size, stride = queries + 2 * heads * size, spacing = NarrowProduct.Stride(queries);
        var rotated = stackalloc float[size];
        var mixed = stackalloc float[size];
        var scale = 1 / MathF.Sqrt(size);
        float* keys = (float*)_keys[layer], values = (float*)_values[layer];
        int units = _rows * heads, last = (int)((long)units * (member + 1) / _team.Size);
        for (var unit = (int)((long)units * member / _team.Size); unit < last; unit++)
        {
            int row = unit / heads, head = unit % heads;
            var projected = _projected + (long)row * stride;
            float* cos = _cos + (long)_positions[row] * size, sin = _sin + (long)_positions[row] * size;
            float* k = keys + unit * _cache.Capacity * size, v = values + unit * _cache.Capacity * size;
            RowMath.Rotate(projected + queries + head * size, k + (long)_slot * size, cos, sin, size);
            new ReadOnlySpan<float>(projected + queries + (heads + head) * size, size).CopyTo(new Span<float>(v + (long)_slot * size, size));
            for (var query = head * group; query < (head + 1) * group; query++)
            {
                RowMath.Rotate(projected + query * size, rotated, cos, sin, size);
                var count = 0;
                for (var slot = 0; slot <= _slot; slot = Next(slot, row)) own.Scores[count++] = scale * RowMath.Dot(rotated, k + (long)slot * size, size);
                var total = RowMath.Exponentials(own.Scores, count);
                new Span<float>(mixed, size).Clear();
                count = 0;
                for (var slot = 0; slot <= _slot; slot = Next(slot, row)) RowMath.AddScaled(mixed, v + (long)slot * size, own.Scores[count++] / total, size);
                RowMath.Put(mixed, size, _attended + (long)row * spacing, query * size, queries);
            }
        }
    }

    private int Next(int slot, int row) => slot + 1 == _promptLengths[row] ? _gapEnd : slot + 1;

    /// <summary>hidden += W·x: the shares are shared, then every member adds all of them to its own stream.</summary>
    private void Add(in Projection projection, float* x, in Own own, int member)
    {
        var hidden = _config.HiddenSize;
        projection.Apply(x, _rows, _added, hidden, projection.Share(member, _team.Size), own.Low, own.Products, own.Numbers);
        _team.Meet();
        RowMath.AddScaled(own.Hidden, _added, 1, _rows * hidden);
    }

    private void Activate(Layer layer, in Own own, int member)
    {
        var inner = _config.IntermediateSize;
        var share = layer.Gate.Share(member, _team.Size);
        layer.Gate.Apply(own.Normalized, _rows, own.Gate, inner, share, own.Low, own.Products, own.Numbers);
        layer.Up.Apply(own.Normalized, _rows, own.Up, inner, share, own.Low, own.Products, own.Numbers);
        for (var row = 0; row < _rows; row++)
            RowMath.Gate(own.Gate + (long)row * inner, own.Up + (long)row * inner, _activated + (long)row * NarrowProduct.Stride(inner), share.From, share.To, inner);
    }
}
