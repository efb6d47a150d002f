using AsFT.MLNet.Batching;
using AsFT.MLNet.Interop;
using AsFT.Torch.Chat;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.FineTuning;

/// <summary>
/// The columns that a prompt is made of, one rule for training, answering and judging. A system or context column is used where it is
/// there. Training alone insists on one, when it is named otherwise than by default: a wrong name would leave a part of the data out.
/// </summary>
/// <param name="Prompt">What the user asks.</param>
/// <param name="System">A system message per row, or null.</param>
/// <param name="Context">Further input, or null.</param>
internal sealed record PromptColumns(DataViewSchema.Column Prompt, DataViewSchema.Column? System, DataViewSchema.Column? Context)
{
    public const string DefaultSystem = "System";
    public const string DefaultContext = "Context";

    /// <exception cref="ArgumentOutOfRangeException">A column is missing that must be there, or is no text.</exception>
    public static PromptColumns Find(DataViewSchema schema, AsftGenerateOptions options, bool isTraining) => new(
        TextColumns.Find(schema, options.PromptColumnName, "prompt"),
        TextColumns.FindOptional(schema, options.SystemColumnName, "system", DefaultSystem, options.PromptColumnName, isTraining),
        TextColumns.FindOptional(schema, options.ContextColumnName, "context", DefaultContext, options.PromptColumnName, isTraining));

    /// <summary>The columns after a model has answered: those given, and its answers'.</summary>
    public static SchemaShape OutputShape(SchemaShape input, AsftGenerateOptions options)
    {
        ColumnCheck.Text(input, options.PromptColumnName, "prompt");
        return new SchemaShape([.. input.Where(column => column.Name != options.OutputColumnName), MlNetInternals.TextColumn(options.OutputColumnName)]);
    }

    /// <summary>The columns that are there.</summary>
    public IEnumerable<DataViewSchema.Column> All => new[] { Prompt, System, Context }.OfType<DataViewSchema.Column>();

    /// <summary>Reads prompts, without answers.</summary>
    public Func<ChatExample> Reader(DataViewRow row)
    {
        var prompt = TextColumns.Reader(row, Prompt);
        var (system, context) = (Optional(System), Optional(Context));
        return () => Example(prompt(), system(), context());

        Func<string> Optional(DataViewSchema.Column? column) => column is { } found ? TextColumns.Reader(row, found) : () => "";
    }

    /// <summary>A prompt of texts; an empty one counts as none, as it does for the template.</summary>
    public static ChatExample Example(string prompt, string system, string context) => new(prompt, System: NullIfEmpty(system), Context: NullIfEmpty(context));

    /// <summary>What is in the rows and looks like a part of the prompt, but is left out: one sentence each.</summary>
    public static IEnumerable<string> LeftOut(DataViewSchema schema, AsftGenerateOptions options) =>
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
