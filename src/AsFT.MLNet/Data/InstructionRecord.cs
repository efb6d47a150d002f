using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.MLNet.Data;

/// <summary>The text fields of an instruction file's records.</summary>
internal static class InstructionRecord
{
    /// <summary>Reads the fields of the next record.</summary>
    /// <param name="records">The file.</param>
    /// <param name="fields">Fields to read.</param>
    /// <param name="values">Gets their values; empty where an optional field is missing or null.</param>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="InvalidDataException">The file is not valid, or the record lacks a field; names file and line.</exception>
    public static bool Read(JsonRecordReader records, IReadOnlyList<InstructionField> fields, string[] values)
    {
        if (!records.MoveNext()) return false;
        Array.Fill(values, null!);
        List<string> present = [];
        var reader = new Utf8JsonReader(records.Record.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            var field = 0;
            while (field < fields.Count && name != fields[field].Name) field++;
            if (field < fields.Count && present.Contains(name)) throw records.Error($"the record has two fields '{name}'", (int)reader.TokenStartIndex);
            present.Add(name);
            reader.Read();
            if (field == fields.Count)
                reader.Skip();
            else if (reader.TokenType == JsonTokenType.String)
                values[field] = reader.GetString()!;
            else if (reader.TokenType != JsonTokenType.Null)
                throw records.Error($"field '{name}' is {JsonRecordReader.Kind(reader.TokenType)}; text is wanted", (int)reader.TokenStartIndex);
        }
        for (var i = 0; i < fields.Count; i++)
        {
            if (values[i] is null && !fields[i].IsOptional)
                throw records.Error($"the record has no field '{fields[i].Name}'{(present.Contains(fields[i].Name) ? " other than null" : "")}; its fields are: {(present.Count == 0 ? "none" : string.Join(", ", present))}");
            values[i] ??= "";
        }
        return true;
    }
}
