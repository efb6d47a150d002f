using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>
/// Reads up to a batch of rows ahead, keeps the active columns, and hands the rows out one by one. The function runs once per
/// batch, and only when one of its columns is read. One upstream cursor serves both kinds of columns, so that nothing upstream
/// is computed twice.
/// </summary>
internal sealed class BatchedCursor<TResult> : DataViewRowCursor
{
    private readonly BatchedMapper<TResult> _mapper;
    private readonly DataViewRowCursor _upstream;
    private readonly HashSet<int> _active;
    private readonly Dictionary<int, RowBuffer> _buffers = [];
    private readonly ValueGetter<ReadOnlyMemory<char>>[] _inputGetters;
    private readonly ValueGetter<DataViewRowId> _upstreamId;
    private readonly List<string[]> _inputs = [];
    private readonly List<DataViewRowId> _ids = [];
    private readonly List<long> _batches = [];
    private IReadOnlyList<TResult>? _results;
    private int _slot = -1;
    private long _position = -1;
    private bool _isDone;
    private bool _isComputed;
    private bool _hasText;

    public BatchedCursor(BatchedMapper<TResult> mapper, DataViewRowCursor upstream, IEnumerable<DataViewSchema.Column> active)
    {
        _mapper = mapper;
        _upstream = upstream;
        _active = [.. active.Select(column => column.Index)];
        _upstreamId = upstream.GetIdGetter();
        _inputGetters = mapper.InputGetters(upstream);
        foreach (var index in _active.Where(index => index < mapper.InputSchema.Count))
            _buffers[index] = RowBuffer.Create(upstream, upstream.Schema[index]);
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => _position;

    public override long Batch => _slot < 0 ? 0 : _batches[_slot];

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = _ids[Slot()];

    public override bool MoveNext()
    {
        if (_isDone) return false;
        _slot++;
        if (_slot >= _inputs.Count && !ReadBatch())
        {
            var isWholePass = _position >= 0;
            (_isDone, _slot, _position) = (true, -1, -1);
            if (isWholePass && _isComputed && !_hasText && _mapper.Function.NeverBlank is { } never) throw new InvalidDataException(never.Error);
            return false;
        }
        _position++;
        return true;
    }

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column)) throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");
        return column.Index < _mapper.InputSchema.Count
            ? _buffers[column.Index].Getter(Slot) as ValueGetter<TValue> ?? throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}; {typeof(TValue)} was asked for.")
            : _mapper.OutputGetter<TValue>(column, Current);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _upstream.Dispose();
        base.Dispose(disposing);
    }

    private bool ReadBatch()
    {
        _inputs.Clear();
        _ids.Clear();
        _batches.Clear();
        _results = null;
        _slot = 0;
        while (_inputs.Count < _mapper.Function.BatchSize && _upstream.MoveNext())
        {
            var slot = _inputs.Count;
            foreach (var buffer in _buffers.Values) buffer.Fetch(slot);
            var id = default(DataViewRowId);
            _upstreamId(ref id);
            _ids.Add(id);
            _batches.Add(_upstream.Batch);
            var inputs = BatchedMapper<TResult>.Read(_inputGetters);
            _hasText |= _mapper.Function.NeverBlank is { } never && !string.IsNullOrWhiteSpace(inputs[never.Input]);
            _inputs.Add(inputs);
        }
        return _inputs.Count > 0;
    }

    private TResult Current()
    {
        var slot = Slot();
        _isComputed = true;
        _results ??= _mapper.Function.Run(_inputs);
        return _results[slot];
    }

    private int Slot() => _slot >= 0 ? _slot : throw new InvalidOperationException("The cursor is not on a row: MoveNext was not called, or returned false.");
}
