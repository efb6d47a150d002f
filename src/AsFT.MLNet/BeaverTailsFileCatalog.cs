using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet;

/// <summary>Files of judged answers for <see cref="MLContext.Data"/>.</summary>
public static class BeaverTailsFileCatalog
{
    /// <summary>
    /// Loads a file in BeaverTails' layout: JSON Lines with <c>prompt</c>, <c>response</c> and <c>category</c>, an object of category name to true or false.
    /// It is streamed, once per pass.
    /// </summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="path">The file.</param>
    /// <param name="categories">Categories in the order of the label's slots; null: the 14 of BeaverTails.</param>
    /// <returns>Text columns Prompt and Response, and Label, a vector of bools with the categories as slot names.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is no such object, or has another category; names file and line, or record. Thrown when the rows are read.</exception>
    public static IDataView LoadFromBeaverTailsFile(this DataOperationsCatalog catalog, string path, IReadOnlyList<string>? categories = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file of judged answers '{path}'.", path);
        var names = categories ?? BeaverTailsCategories.All;
        if (names.Count == 0 || names.Any(string.IsNullOrWhiteSpace) || names.Distinct(StringComparer.Ordinal).Count() != names.Count)
            throw new ArgumentException("categories must hold at least one name, none of them blank or twice.", nameof(categories));
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Label)].ColumnType = new VectorDataViewType(BooleanDataViewType.Instance, names.Count);
        schema[nameof(Row.Label)].AddAnnotation("SlotNames", new VBuffer<ReadOnlyMemory<char>>(names.Count, [.. names.Select(name => name.AsMemory())]), new VectorDataViewType(TextDataViewType.Instance, names.Count));
        return catalog.LoadFromEnumerable(Rows(Path.GetFullPath(path), names), schema);
    }

    private static IEnumerable<Row> Rows(string path, IReadOnlyList<string> names)
    {
        var number = 0;
        foreach (var example in JudgeExample.ReadFile(path))
        {
            number++;
            if (example.Categories.Keys.FirstOrDefault(key => !names.Contains(key)) is { } unknown)
                throw new InvalidDataException($"'{path}', record {number}: category '{unknown}' is none of {string.Join(", ", names)}.");
            yield return new Row { Prompt = example.Prompt, Response = example.Response, Label = [.. names.Select(name => example.Categories.GetValueOrDefault(name))] };
        }
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";

        public bool[] Label { get; set; } = [];
    }
}
