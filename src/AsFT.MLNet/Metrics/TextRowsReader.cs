using AsFT.MLNet.Batching;
using Microsoft.ML;

namespace AsFT.MLNet.Metrics;

/// <summary>A text column to read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">What it is, for messages.</param>
/// <param name="Option">The argument that names it.</param>
internal readonly record struct TextColumn(string Name, string Role, string Option);

/// <summary>Reads whole text columns.</summary>
internal static class TextRowsReader
{
    /// <returns>Per column, its values in order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or a column is empty in all of them.</exception>
    public static List<string>[] Read(IDataView data, IReadOnlyList<TextColumn> columns)
    {
        DataViewSchema.Column[] found = [.. columns.Select(column => TextColumns.Find(data.Schema, column.Name, column.Role))];
        List<string>[] values = [.. found.Select(_ => new List<string>())];
        using var cursor = data.GetRowCursor(found);
        Func<string>[] readers = [.. found.Select(column => TextColumns.Reader(cursor, column))];
        while (cursor.MoveNext())
            for (var i = 0; i < readers.Length; i++) values[i].Add(readers[i]());
        if (values[0].Count == 0) throw new InvalidDataException("There are no rows to evaluate.");
        for (var i = 0; i < values.Length; i++)
            if (values[i].TrueForAll(string.IsNullOrWhiteSpace)) throw new InvalidDataException(TextColumns.NoAnswers(columns[i].Name, values[i].Count, columns[i].Option));
        return values;
    }
}
