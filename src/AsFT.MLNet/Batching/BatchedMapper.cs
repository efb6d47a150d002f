using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>The row mapper of a <see cref="BatchFunction{TResult}"/> on one input schema: one row at a time, for prediction engines.</summary>
internal sealed class BatchedMapper<TResult> : IRowToRowMapper
{
    private readonly DataViewSchema.Column?[] _inputs;

    public BatchedMapper(BatchFunction<TResult> function, DataViewSchema inputSchema)
    {
        Function = function;
        InputSchema = inputSchema;
        _inputs = function.FindInputs(inputSchema);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        foreach (var column in function.Outputs) builder.AddColumn(column.Name, column.Type, column.Annotations);
        OutputSchema = builder.ToSchema();
    }

    public BatchFunction<TResult> Function { get; }

    public DataViewSchema InputSchema { get; }

    /// <summary>The input's columns, then the function's. Always the same instance, as ML.NET compares schemas by reference.</summary>
    public DataViewSchema OutputSchema { get; }

    /// <summary>Whether any of the columns is one of the function's.</summary>
    public bool NeedsFunction(IEnumerable<DataViewSchema.Column> columns) => columns.Any(column => column.Index >= InputSchema.Count);

    /// <summary>The input columns that the given output columns call for.</summary>
    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        var wanted = dependingColumns.ToArray();
        var indices = wanted.Where(column => column.Index < InputSchema.Count).Select(column => column.Index).ToHashSet();
        if (NeedsFunction(wanted)) indices.UnionWith(_inputs.OfType<DataViewSchema.Column>().Select(column => column.Index));
        return [.. indices.Order().Select(index => InputSchema[index])];
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new Row(this, input, activeColumns);
    }

    /// <summary>Getters of the function's input columns.</summary>
    public ValueGetter<ReadOnlyMemory<char>>[] InputGetters(DataViewRow row) => [.. _inputs.Select(column => column is { } found
        ? row.GetGetter<ReadOnlyMemory<char>>(row.Schema[found.Index])
        : (ref ReadOnlyMemory<char> text) => text = default)];

    /// <summary>A getter of one of the function's columns.</summary>
    public ValueGetter<TValue> OutputGetter<TValue>(DataViewSchema.Column column, Func<TResult> current) =>
        Function.Outputs[column.Index - InputSchema.Count].CreateGetter(current) as ValueGetter<TValue>
        ?? throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}; {typeof(TValue)} was asked for.");

    /// <summary>The values of the function's input columns in the current row.</summary>
    public static string[] Read(ValueGetter<ReadOnlyMemory<char>>[] getters)
    {
        var values = new string[getters.Length];
        for (var i = 0; i < getters.Length; i++)
        {
            ReadOnlyMemory<char> text = default;
            getters[i](ref text);
            values[i] = text.ToString();
        }
        return values;
    }

    private sealed class Row(BatchedMapper<TResult> mapper, DataViewRow input, IEnumerable<DataViewSchema.Column> active) : DataViewRow
    {
        private readonly HashSet<int> _active = [.. active.Select(column => column.Index)];
        private ValueGetter<ReadOnlyMemory<char>>[]? _getters;
        private long _computedAt = long.MinValue;
        private TResult? _result;

        public override DataViewSchema Schema => mapper.OutputSchema;

        public override long Position => input.Position;

        public override long Batch => input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => column.Index < mapper.InputSchema.Count
            ? input.IsColumnActive(input.Schema[column.Index])
            : _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column)) throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");
            if (column.Index < mapper.InputSchema.Count) return input.GetGetter<TValue>(input.Schema[column.Index]);
            _getters ??= mapper.InputGetters(input);
            return mapper.OutputGetter<TValue>(column, Current);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) input.Dispose();
            base.Dispose(disposing);
        }

        // A row may have several output columns; the position tells whether the row is still the one that was computed.
        private TResult Current()
        {
            if (_computedAt != input.Position)
            {
                _result = mapper.Function.Run([Read(_getters!)])[0];
                _computedAt = input.Position;
            }
            return _result!;
        }
    }
}
