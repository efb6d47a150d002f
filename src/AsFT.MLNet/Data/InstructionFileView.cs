using AsFT.Torch.Chat;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Data;

/// <summary>An instruction file as rows: each pass streams the file anew.</summary>
internal sealed class InstructionFileView : IDataView
{
    private readonly string _path;
    private readonly RowFields _fields;
    private readonly IReadOnlyList<Func<RowReader, string>> _columns;

    public InstructionFileView(string path, InstructionFileOptions options)
    {
        // Each pass reads it where it lies now.
        _path = Path.GetFullPath(path);
        _fields = options.FieldsOf(_path);
        var columns = options.Columns(_fields);
        _columns = [.. columns.Select(column => column.Value)];
        var builder = new DataViewSchema.Builder();
        foreach (var (name, _) in columns) builder.AddColumn(name, TextDataViewType.Instance);
        Schema = builder.ToSchema();
        CheckFirstRecord();
    }

    public DataViewSchema Schema { get; }

    public bool CanShuffle => false;

    public long? GetRowCount() => null;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => new Cursor(this, columnsNeeded);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) => [GetRowCursor(columnsNeeded, rand)];

    // A wrong file is refused where it is named, not in some later pass.
    private void CheckFirstRecord()
    {
        using var reader = new RowReader(_path, _fields);
        if (!reader.MoveNext()) throw new InvalidDataException($"'{_path}' holds no records.");
    }

    private sealed class Cursor(InstructionFileView view, IEnumerable<DataViewSchema.Column> active) : DataViewRowCursor
    {
        private readonly HashSet<int> _active = [.. active.Select(column => column.Index)];
        private readonly RowReader _reader = new(view._path, view._fields);
        private long _position = -1;
        private bool _isDone;

        public override DataViewSchema Schema => view.Schema;

        public override long Position => _position;

        public override long Batch => 0;

        public override bool MoveNext()
        {
            if (_isDone) return false;
            if (_reader.MoveNext())
            {
                _position++;
                return true;
            }
            (_isDone, _position) = (true, -1);
            return false;
        }

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) =>
        {
            CheckOnRow();
            id = new DataViewRowId((ulong)_position, 0);
        };

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column)) throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");
            var read = view._columns[column.Index];
            return (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) =>
            {
                CheckOnRow();
                value = read(_reader).AsMemory();
            }) as ValueGetter<TValue> ?? throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}; {typeof(TValue)} was asked for.");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _reader.Dispose();
            base.Dispose(disposing);
        }

        private void CheckOnRow()
        {
            if (_position < 0) throw new InvalidOperationException("The cursor is not on a row: MoveNext was not called, or returned false.");
        }
    }
}
