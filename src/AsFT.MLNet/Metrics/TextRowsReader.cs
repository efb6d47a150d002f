using AsFT.MLNet.Batching;
using Microsoft.ML;

namespace AsFT.MLNet.Metrics;

/// <summary>Reads whole text columns.</summary>
internal static class TextRowsReader
{
    /// <returns>Per column, its values in order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows.</exception>
    public static List<string>[] Read(IDataView data, IReadOnlyList<(string Name, string Role)> columns)
    {
        DataViewSchema.Column[] found = [.. columns.Select(column => TextColumns.Find(data.Schema, column.Name, column.Role))];
        List<string>[] values = [.. found.Select(_ => new List<string>())];
        using var cursor = data.GetRowCursor(found);
        Func<string>[] readers = [.. found.Select(column => TextColumns.Reader(cursor, column))];
        while (cursor.MoveNext())
            for (var i = 0; i < readers.Length; i++) values[i].Add(readers[i]());
        return values[0].Count > 0 ? values : throw new InvalidDataException("There are no rows to evaluate.");
    }
}
