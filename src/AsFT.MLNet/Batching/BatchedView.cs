using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>A lazy view: the source's rows with a <see cref="BatchFunction{TResult}"/>'s columns, computed batch by batch when asked for.</summary>
/// <remarks>
/// ML.NET walks back over <see cref="IDataTransform"/>s when it turns a pipeline into ONNX. A view that is none looks like the root of the
/// data, and a graph without the model would be written; this one is found, cannot be written, and ML.NET says so, as with a custom mapping.
/// </remarks>
internal sealed class BatchedView<TResult>(BatchedMapper<TResult> mapper, IDataView source) : IDataTransform
{
    public IDataView Source => source;

    public DataViewSchema Schema => mapper.OutputSchema;

    public bool CanShuffle => source.CanShuffle;

    public long? GetRowCount() => source.GetRowCount();

    // ML.NET saves transformers; only its command line of old saved views.
    public void Save(ModelSaveContext ctx) => throw new NotSupportedException("A view is not saved; save its transformer.");

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var upstream = source.GetRowCursor(mapper.GetDependencies(needed), rand);
        return mapper.NeedsFunction(needed)
            ? new BatchedCursor<TResult>(mapper, upstream, needed)
            : new PassThroughCursor(upstream, mapper.OutputSchema, needed);
    }

    /// <summary>One cursor, as ML.NET allows: the model behind the function is one, and several cursors would only make its batches smaller.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}

/// <summary>The upstream cursor under the output schema, where no computed column is active: nothing is read ahead and nothing computed.</summary>
internal sealed class PassThroughCursor(DataViewRowCursor upstream, DataViewSchema schema, IEnumerable<DataViewSchema.Column> active) : DataViewRowCursor
{
    private readonly HashSet<int> _active = [.. active.Select(column => column.Index)];

    public override DataViewSchema Schema => schema;

    public override long Position => upstream.Position;

    public override long Batch => upstream.Batch;

    public override bool MoveNext() => upstream.MoveNext();

    public override ValueGetter<DataViewRowId> GetIdGetter() => upstream.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => IsColumnActive(column)
        ? upstream.GetGetter<TValue>(upstream.Schema[column.Index])
        : throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");

    protected override void Dispose(bool disposing)
    {
        if (disposing) upstream.Dispose();
        base.Dispose(disposing);
    }
}
