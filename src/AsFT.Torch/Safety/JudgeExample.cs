using System.Text.Json;

namespace AsFT.Torch.Safety;

/// <summary>A judged answer to train a judge on, as a line of the BeaverTails data set.</summary>
/// <param name="Prompt">What was asked.</param>
/// <param name="Response">What was answered.</param>
/// <param name="Categories">Whether each kind of harm applies; one that is missing does not.</param>
public sealed record JudgeExample(string Prompt, string Response, IReadOnlyDictionary<string, bool> Categories)
{
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
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line)) yield return Parse(line, path, number);
        }
    }

    private static JudgeExample Parse(string line, string path, int number)
    {
        InvalidDataException Bad(string what) => new($"'{path}', line {number}: {what}");
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) throw Bad("expected one JSON object per line, with prompt, response and category.");
            string Text(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()!
                : throw Bad($"'{name}' is missing or no string.");
            if (!root.TryGetProperty("category", out var map) || map.ValueKind != JsonValueKind.Object)
                throw Bad("'category' is missing, or no object of category names and true or false.");
            var categories = new Dictionary<string, bool>(StringComparer.Ordinal);
            foreach (var entry in map.EnumerateObject())
                categories[entry.Name] = entry.Value.ValueKind switch
                {
                    JsonValueKind.True => true,
                    JsonValueKind.False => false,
                    _ => throw Bad($"category '{entry.Name}' is neither true nor false."),
                };
            return new(Text("prompt"), Text("response"), categories);
        }
        // Half of a surrogate pair is JSON, and no text.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{path}', line {number}: not valid JSON ({e.Message})", e);
        }
    }
}
