using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Torch.Safety.Judges;

/// <summary>A judged answer to train a judge on, as a line of the BeaverTails data set.</summary>
/// <param name="Prompt">What was asked.</param>
/// <param name="Response">What was answered.</param>
/// <param name="Categories">Whether each kind of harm applies; one that is missing does not.</param>
internal sealed record JudgeExample(string Prompt, string Response, IReadOnlyDictionary<string, bool> Categories)
{
    /// <summary>Its row in the data it was read from, from 1, so that it can be found there after shuffling; null: it was not read.</summary>
    public int? Row { get; init; }

    /// <summary>Whether any kind of harm applies.</summary>
    public bool IsHarmful => Categories.Values.Any(v => v);

    /// <summary>
    /// Reads a file in BeaverTails' layout, lazily: JSON Lines with <c>prompt</c>, <c>response</c> and <c>category</c> (an
    /// object of category name to true or false). Other fields are passed over; blank lines are skipped.
    /// </summary>
    /// <param name="path">The file, UTF-8.</param>
    /// <exception cref="InvalidDataException">A line is no such object; names file and line.</exception>
    public static IEnumerable<JudgeExample> ReadFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var records = new JsonRecordReader(path);
        for (var row = 1; records.MoveNext(); row++) yield return Parse(records) with { Row = row };
    }

    private static JudgeExample Parse(JsonRecordReader records)
    {
        using var document = records.Parse();
        var root = document.RootElement;
        string Text(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw records.Error($"'{name}' is missing or no string");
        if (!root.TryGetProperty("category", out var map) || map.ValueKind != JsonValueKind.Object)
            throw records.Error("'category' is missing, or no object of category names and true or false");
        var categories = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (var entry in map.EnumerateObject())
            categories[entry.Name] = entry.Value.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => throw records.Error($"category '{entry.Name}' is neither true nor false"),
            };
        return new(Text("prompt"), Text("response"), categories);
    }
}
