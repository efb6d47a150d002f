using AsFT.MLNet.Batching;
using AsFT.MLNet.Interop;
using AsFT.Torch.Chat;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.FineTuning;

/// <summary>
/// The columns that a prompt is made of, one rule for training, answering and judging: a column of whole conversations where it is there, else the
/// prompt, with a system or context column where it is there. Training alone insists on one of these, when it is named otherwise than by default: a
/// wrong name would leave a part of the data out.
/// </summary>
/// <param name="Prompt">What the user asks; null: conversations tell it.</param>
/// <param name="System">A system message per row, or null.</param>
/// <param name="Context">Further input, or null.</param>
/// <param name="Messages">Whole conversations in JSON, or null.</param>
internal sealed record PromptColumns(DataViewSchema.Column? Prompt, DataViewSchema.Column? System, DataViewSchema.Column? Context, DataViewSchema.Column? Messages)
{
    public const string DefaultSystem = "System";
    public const string DefaultContext = "Context";
    public const string DefaultMessages = "Messages";

    /// <exception cref="ArgumentOutOfRangeException">A column is missing that must be there, or is no text.</exception>
    public static PromptColumns Find(DataViewSchema schema, AsftGenerateOptions options, bool isTraining) =>
        TextColumns.FindOptional(schema, options.MessagesColumnName, "messages", DefaultMessages, options.PromptColumnName, isTraining) is { } messages ? new(null, null, null, messages) : new(
            TextColumns.Find(schema, options.PromptColumnName, "prompt"),
            TextColumns.FindOptional(schema, options.SystemColumnName, "system", DefaultSystem, options.PromptColumnName, isTraining),
            TextColumns.FindOptional(schema, options.ContextColumnName, "context", DefaultContext, options.PromptColumnName, isTraining),
            null);

    /// <summary>The columns after a model has answered: those given, and its answers'.</summary>
    public static SchemaShape OutputShape(SchemaShape input, AsftGenerateOptions options)
    {
        var hasConversations = HasConversations(input, options);
        ColumnCheck.Text(input, hasConversations ? options.MessagesColumnName! : options.PromptColumnName, hasConversations ? "messages" : "prompt");
        return new SchemaShape([.. input.Where(column => column.Name != options.OutputColumnName), MlNetInternals.TextColumn(options.OutputColumnName)]);
    }

    /// <summary>Whether rows are whole conversations: by their column's usual name where it holds text, by another name always.</summary>
    public static bool HasConversations(SchemaShape input, AsftGenerateOptions options) => options.MessagesColumnName is { } messages
        && (messages != DefaultMessages || input.Any(column => column.Name == messages && column.Kind == SchemaShape.Column.VectorKind.Scalar && column.ItemType is TextDataViewType));

    /// <summary>The columns that are there.</summary>
    public IEnumerable<DataViewSchema.Column> All => new[] { Prompt, System, Context, Messages }.OfType<DataViewSchema.Column>();

    /// <summary>Where system messages come from, for errors.</summary>
    public string? SystemPlace => (System ?? Messages) is { } column ? $"column '{column.Name}'" : null;

    /// <summary>Reads prompts, without answers but those of conversations.</summary>
    /// <param name="row">The rows.</param>
    /// <param name="what">What the rows are, for errors.</param>
    public Func<ConversationRow> Reader(DataViewRow row, string what)
    {
        var (prompt, system, context, messages) = (Optional(Prompt), Optional(System), Optional(Context), Optional(Messages));
        return Messages is { } column
            ? () => Conversation.Parse(messages(), $"Row {row.Position + 1} of {what}, column '{column.Name}'")
            : () => new(Example(prompt(), system(), context()));

        Func<string> Optional(DataViewSchema.Column? column) => column is { } found ? TextColumns.Reader(row, found) : () => "";
    }

    /// <summary>A prompt to be answered.</summary>
    /// <param name="values">Prompt, system message, context and conversation; empty where there is none.</param>
    /// <exception cref="InvalidDataException">The conversation is none, or cannot be answered; says why.</exception>
    public ChatExample Asked(string[] values)
    {
        if (Messages is not { } messages) return Example(values[0], values[1], values[2]);
        var row = Conversation.Parse(values[3], $"A row of column '{messages.Name}'");
        return row.Example ?? throw new InvalidDataException($"A row of column '{messages.Name}' cannot be answered: {row.Unusable}. It is '{(values[3].Length <= 80 ? values[3] : values[3][..80] + "…")}'.");
    }

    /// <summary>A prompt of texts; an empty one counts as none, as it does for the template.</summary>
    public static ChatExample Example(string prompt, string system, string context) => new(prompt, System: NullIfEmpty(system), Context: NullIfEmpty(context));

    /// <summary>What is in the rows and looks like a part of the prompt, but is left out: one sentence each.</summary>
    public static IEnumerable<string> LeftOut(DataViewSchema schema, AsftGenerateOptions options) => Find(schema, options, isTraining: false).Messages is { } messages
        ? new[] { DefaultContext, DefaultSystem }.Where(name => schema.GetColumnOrNull(name) is { Type: TextDataViewType }).Select(name => $"The column '{name}' is left out of the prompts: '{messages.Name}' holds whole conversations.")
        :
    [
        .. LeftOut(schema, options.ContextColumnName, nameof(options.ContextColumnName), DefaultContext, options.PromptColumnName),
        .. LeftOut(schema, options.SystemColumnName, nameof(options.SystemColumnName), DefaultSystem, options.PromptColumnName),
    ];

    /// <summary>Whether a column is in the rows by its usual name, and why it is left out.</summary>
    public static IEnumerable<string> LeftOut(DataViewSchema schema, string? name, string option, string usual, string prompt)
    {
        if (usual == prompt || schema.GetColumnOrNull(usual) is not { } column || name is not null && schema.GetColumnOrNull(name) is { Type: TextDataViewType }) yield break;
        if (column.Type is not TextDataViewType)
        {
            if (name == usual) yield return $"The column '{usual}' is no part of the prompts: it holds {column.Type}, no text.";
        }
        else
        {
            yield return $"The column '{usual}' is left out of the prompts: {option} is {(name is null ? "null" : $"'{name}', which is not there")}.";
        }
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
