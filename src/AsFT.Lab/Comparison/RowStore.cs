using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Lab.Comparison;

/// <summary>Finished rows, appended to <c>rows.jsonl</c> as they come, so that a comparison that was stopped goes on where it was.</summary>
internal sealed class RowStore
{
    private const string FileName = "rows.jsonl";
    private const long MaxBytes = 1 << 30;

    private readonly Dictionary<string, ComparisonRow> _rows = [];
    private readonly string? _path;
    private readonly Lock _lock = new();

    /// <param name="folder">Where the file lies; null keeps rows in memory.</param>
    public RowStore(string? folder)
    {
        if (folder is null) return;
        Directory.CreateDirectory(folder);
        _path = Path.Combine(folder, FileName);
        if (!File.Exists(_path)) return;
        ReadOnlySpan<byte> text = InputFile.ReadAllBytes(_path, MaxBytes);
        if (text.IsEmpty) return;
        if (ForeignContent.Recognize(text) is { } foreign) throw new InvalidDataException($"'{_path}' {foreign}.");
        if (text.StartsWith(ForeignContent.ByteOrderMark)) text = text[ForeignContent.ByteOrderMark.Length..];
        foreach (var line in text.Split((byte)'\n'))
            if (Parse(text[line]) is { Key.Length: > 0 } row) _rows[row.Key] = row;
        // A process that was killed may have left half a line; the next row must not continue it.
        if (text is [.., not (byte)'\n']) File.AppendAllText(_path, "\n");
    }

    public ComparisonRow? Find(string key)
    {
        lock (_lock) return _rows.GetValueOrDefault(key);
    }

    public void Add(ComparisonRow row)
    {
        lock (_lock)
        {
            _rows[row.Key] = row;
            if (_path is not null) File.AppendAllText(_path, JsonSerializer.Serialize(row, ComparisonRow.Format) + "\n");
        }
    }

    private static ComparisonRow? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonInput.Read<ComparisonRow>(line.ToArray(), FileName, ComparisonRow.Format);
        }
        catch (InvalidDataException)
        {
            // Half a line or character, or a row of another version: it is run again.
            return null;
        }
    }
}
