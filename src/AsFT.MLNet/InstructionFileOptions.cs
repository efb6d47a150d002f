using AsFT.MLNet.FineTuning;
using AsFT.Torch.Chat;

namespace AsFT.MLNet;

/// <summary>
/// How an instruction file is read. With the fields' default names, those of the published layout, a file in another usual layout is known by its
/// first record: <c>prompt</c> with <c>response</c> or <c>completion</c>, <c>question</c> with <c>answer</c>, <c>goal</c> with <c>target</c>, or conversations
/// (<c>messages</c>, ShareGPT's <c>conversations</c>, <c>prompt</c> and <c>completion</c> as lists of turns), which fill <see cref="MessagesColumnName"/>.
/// </summary>
public sealed class InstructionFileOptions
{
    /// <summary>Field with what the user asks. Every record must have it, as text.</summary>
    public string PromptField { get; set; } = "instruction";

    /// <summary>Field with further input; a record without it, or with null, has an empty context. null: no such column.</summary>
    public string? ContextField { get; set; } = "input";

    /// <summary>Field with the answer. Every record must have it unless <see cref="ResponseIsOptional"/>. null: no such column.</summary>
    public string? ResponseField { get; set; } = "output";

    /// <summary>Field with a system message; a record without it has an empty one. null: no such column.</summary>
    public string? SystemField { get; set; }

    /// <summary>Whether a record may lack its answer, as prompts that wait for one do; it is then empty.</summary>
    public bool ResponseIsOptional { get; set; }

    /// <summary>Column of <see cref="PromptField"/>.</summary>
    public string PromptColumnName { get; set; } = "Prompt";

    /// <summary>Column of <see cref="ContextField"/>.</summary>
    public string ContextColumnName { get; set; } = "Context";

    /// <summary>Column of <see cref="ResponseField"/>.</summary>
    public string ResponseColumnName { get; set; } = "Response";

    /// <summary>Column of <see cref="SystemField"/>.</summary>
    public string SystemColumnName { get; set; } = "System";

    /// <summary>
    /// Column of whole conversations, in JSON, where the file holds them. <see cref="PromptColumnName"/> then has what the user says last, and
    /// <see cref="ResponseColumnName"/> the answer to it.
    /// </summary>
    public string MessagesColumnName { get; set; } = PromptColumns.DefaultMessages;

    /// <summary>Where a file's records have what is asked and answered.</summary>
    internal RowFields FieldsOf(string path)
    {
        var fields = Fields();
        if (this is { PromptField: "instruction", ContextField: "input", ResponseField: "output" }) return RowFields.Of(path, ResponseIsOptional, SystemField);
        RowField? Field(string? name) => fields.FirstOrDefault(field => field.Name == name) is { } found ? new([found.Name], found.IsOptional) : null;
        return new(Field(PromptField), Field(ContextField), Field(ResponseField), Field(SystemField));
    }

    /// <summary>The columns in order, and what fills them.</summary>
    internal IReadOnlyList<KeyValuePair<string, Func<RowReader, string>>> Columns(RowFields fields)
    {
        List<KeyValuePair<string, Func<RowReader, string>>> columns = [new(PromptColumnName, row => row.Prompt)];
        if (fields.Context is not null) columns.Add(new(ContextColumnName, row => row.Context));
        if (ResponseField is not null) columns.Add(new(ResponseColumnName, row => row.Response));
        if (fields.System is not null) columns.Add(new(SystemColumnName, row => row.System));
        if (fields.AreConversations) columns.Add(new(MessagesColumnName, row => row.Messages!));
        if (columns.GroupBy(column => column.Key).FirstOrDefault(group => group.Count() > 1) is { } twice) throw new ArgumentException($"Column '{twice.Key}' is named for two things.");
        return columns;
    }

    // Field, column name, whether a record may lack it.
    private List<InstructionField> Fields()
    {
        List<InstructionField> fields = [new(PromptField, PromptColumnName, IsOptional: false)];
        if (ContextField is not null) fields.Add(new(ContextField, ContextColumnName, IsOptional: true));
        if (ResponseField is not null) fields.Add(new(ResponseField, ResponseColumnName, ResponseIsOptional));
        if (SystemField is not null) fields.Add(new(SystemField, SystemColumnName, IsOptional: true));
        foreach (var field in fields)
        {
            if (string.IsNullOrEmpty(field.Name)) throw new ArgumentException($"The field of column '{field.ColumnName}' has no name.");
            if (string.IsNullOrEmpty(field.ColumnName)) throw new ArgumentException($"The column of field '{field.Name}' has no name.");
        }
        if (fields.GroupBy(field => field.ColumnName).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ArgumentException($"Column '{twice.Key}' is named for two fields: {string.Join(", ", twice.Select(field => $"'{field.Name}'"))}.");
        if (fields.GroupBy(field => field.Name).FirstOrDefault(group => group.Count() > 1) is { } shared)
            throw new ArgumentException($"Field '{shared.Key}' is named for two columns: {string.Join(", ", shared.Select(field => $"'{field.ColumnName}'"))}; each needs a field of its own, or none.");
        return fields;
    }
}

/// <summary>One field of a record and the column it fills.</summary>
internal sealed record InstructionField(string Name, string ColumnName, bool IsOptional);
