using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Scoring;

/// <summary>Texts as rows of a schema; its other columns hold missing or default values.</summary>
/// <param name="schema">The schema.</param>
/// <param name="text">The text column in it.</param>
/// <param name="texts">One text per row.</param>
internal sealed class TextRows(DataViewSchema schema, DataViewSchema.Column text, IReadOnlyList<string> texts) : IDataView
{
    public DataViewSchema Schema => schema;

    public bool CanShuffle => false;

    public long? GetRowCount() => texts.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => new Cursor(this, [.. columnsNeeded.Select(column => column.Index)]);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) => [GetRowCursor(columnsNeeded, rand)];

    /// <summary>A schema with the text column, and other columns of another schema where there is one.</summary>
    public static DataViewSchema SchemaOf(string textColumn, DataViewSchema? others)
    {
        var builder = new DataViewSchema.Builder();
        foreach (var column in others ?? Enumerable.Empty<DataViewSchema.Column>())
            if (!column.IsHidden && column.Name != textColumn) builder.AddColumn(column.Name, column.Type, column.Annotations);
        builder.AddColumn(textColumn, TextDataViewType.Instance);
        return builder.ToSchema();
    }

    private DataViewSchema.Column TextColumn => text;

    private string Text(long row) => texts[(int)row];

    private int Count => texts.Count;

    private sealed class Cursor(TextRows view, HashSet<int> active) : DataViewRowCursor
    {
        private long _position = -1;
        private bool _isDone;

        public override DataViewSchema Schema => view.Schema;

        public override long Position => _position;

        public override long Batch => 0;

        public override bool MoveNext()
        {
            if (_isDone) return false;
            if (++_position < view.Count) return true;
            (_isDone, _position) = (true, -1);
            return false;
        }

        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)_position, 0);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column)) throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");
            if (column.Type.RawType != typeof(TValue)) throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}; {typeof(TValue)} was asked for.");
            if (column.Index == view.TextColumn.Index)
                return (ValueGetter<TValue>)(Delegate)(ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = view.Text(_position).AsMemory());
            return column.Type is VectorDataViewType { IsKnownSize: true } vector
                ? (ValueGetter<TValue>)typeof(Cursor).GetMethod(nameof(EmptyVector), System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.NonPublic)!
                    .MakeGenericMethod(vector.ItemType.RawType).Invoke(null, [vector.Size])!
                : Missing<TValue>();
        }

        private static ValueGetter<TValue> Missing<TValue>()
        {
            if (typeof(TValue) == typeof(float)) return (ValueGetter<TValue>)(Delegate)(ValueGetter<float>)((ref float value) => value = float.NaN);
            if (typeof(TValue) == typeof(double)) return (ValueGetter<TValue>)(Delegate)(ValueGetter<double>)((ref double value) => value = double.NaN);
            return (ref TValue value) => value = default!;
        }

        private static ValueGetter<VBuffer<T>> EmptyVector<T>(int size) => (ref VBuffer<T> value) => value = new VBuffer<T>(size, 0, null, null);
    }
}
