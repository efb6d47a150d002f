using AsFT.Torch.Chat;

namespace AsFT.Lab.Comparison;

/// <summary>Rows of a JSON array, or of one object a line, in any layout that <see cref="RowFields"/> knows.</summary>
internal static class InstructionFile
{
    public static ChatExample[] Read(ComparisonFile file)
    {
        using var reader = new RowReader(file.File, RowFields.Of(file.File, responseIsOptional: true));
        var rows = new List<ChatExample>();
        while (reader.MoveNext()) rows.Add(reader.Row is { Example: { Prompt.Length: > 0 } row } ? row : throw reader.Error(reader.Row.Unusable ?? "the prompt is empty"));
        ChatExample[] taken = [.. rows.Skip(file.Skip).Take(file.Count ?? int.MaxValue)];
        return taken.Length > 0 ? taken : throw new InvalidDataException($"'{file.File}' has {rows.Count} rows; none is left behind the first {file.Skip}.");
    }
}
