using System.Text.Json;
using AsFT.Torch.Chat;
using AsFT.Torch.Input;

namespace AsFT.Lab.Comparison;

/// <summary>Rows of a JSON array, or of one object a line: instruction, input and output as published, or the usual other names.</summary>
internal static class InstructionFile
{
    private static readonly string[] Prompts = ["instruction", "prompt", "question", "goal"];
    private static readonly string[] Contexts = ["input", "context"];
    private static readonly string[] Responses = ["output", "response", "answer", "target"];

    public static ChatExample[] Read(ComparisonFile file)
    {
        using var records = new JsonRecordReader(file.File);
        var rows = new List<ChatExample>();
        while (records.MoveNext())
        {
            using var row = records.Parse();
            var prompt = Field(row.RootElement, Prompts) ?? throw records.Error($"there is no text in any of {string.Join(", ", Prompts)}");
            rows.Add(new ChatExample(prompt, Field(row.RootElement, Responses), Context: Field(row.RootElement, Contexts)));
        }
        ChatExample[] taken = [.. rows.Skip(file.Skip).Take(file.Count ?? int.MaxValue)];
        return taken.Length > 0 ? taken : throw new InvalidDataException($"'{file.File}' has {rows.Count} rows; none is left behind the first {file.Skip}.");
    }

    private static string? Field(JsonElement row, string[] names)
    {
        foreach (var name in names)
            if (row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text) return text;
        return null;
    }
}
