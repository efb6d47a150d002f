using System.Text.Json;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Comparison;

/// <summary>Rows of a JSON array, or of one object a line: instruction, input and output as published, or the usual other names.</summary>
internal static class InstructionFile
{
    private static readonly string[] Prompts = ["instruction", "prompt", "question", "goal"];
    private static readonly string[] Contexts = ["input", "context"];
    private static readonly string[] Responses = ["output", "response", "answer", "target"];

    public static ChatExample[] Read(ComparisonFile file)
    {
        var bytes = File.ReadAllBytes(file.File);
        try
        {
            var reader = new Utf8JsonReader(bytes.AsSpan(bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0), new JsonReaderOptions { AllowMultipleValues = true });
            var rows = new List<ChatExample>();
            while (reader.Read())
            {
                using var document = JsonDocument.ParseValue(ref reader);
                if (document.RootElement.ValueKind == JsonValueKind.Array) foreach (var row in document.RootElement.EnumerateArray()) rows.Add(Row(row, rows.Count));
                else rows.Add(Row(document.RootElement, rows.Count));
            }
            ChatExample[] taken = [.. rows.Skip(file.Skip).Take(file.Count ?? int.MaxValue)];
            return taken.Length > 0 ? taken : throw new InvalidDataException($"'{file.File}' has {rows.Count} rows; none is left behind the first {file.Skip}.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{file.File}', line {(e.LineNumber ?? 0) + 1}: malformed JSON.", e);
        }

        ChatExample Row(JsonElement row, int number)
        {
            if (row.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"'{file.File}', row {number}: an object is wanted.");
            var prompt = Field(row, Prompts) ?? throw new InvalidDataException($"'{file.File}', row {number} has no text in any of {string.Join(", ", Prompts)}.");
            return new ChatExample(prompt, Field(row, Responses), Context: Field(row, Contexts));
        }
    }

    private static string? Field(JsonElement row, string[] names)
    {
        foreach (var name in names)
            if (row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text) return text;
        return null;
    }
}
