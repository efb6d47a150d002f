using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>
/// A function from text columns to output columns that is cheaper for many rows at once, such as a language model.
/// <see cref="BatchedMapper{TResult}"/> and <see cref="BatchedView{TResult}"/> make ML.NET's row mappers and lazy views of it.
/// </summary>
/// <typeparam name="TResult">What the function makes of one row.</typeparam>
internal abstract class BatchFunction<TResult>
{
    /// <summary>Text columns that are read, by name; the order is that of the values given to <see cref="Run"/>.</summary>
    public abstract IReadOnlyList<string> Inputs { get; }

    /// <summary>A sentence that a whole pass ends with, as an error, when this input is blank in every row; null: blank rows are nothing unusual.</summary>
    public virtual (int Input, string Error)? NeverBlank => null;

    /// <summary>Columns that are added, in this order.</summary>
    public abstract IReadOnlyList<BatchColumn<TResult>> Outputs { get; }

    /// <summary>Rows that a cursor reads ahead and hands to one <see cref="Run"/>, at least 1.</summary>
    public abstract int BatchSize { get; }

    /// <summary>Computes some rows.</summary>
    /// <param name="rows">Per row, the values of <see cref="Inputs"/>.</param>
    /// <returns>One result per row, in order.</returns>
    public abstract IReadOnlyList<TResult> Run(IReadOnlyList<string[]> rows);

    /// <summary>The input columns in a schema, in the order of <see cref="Inputs"/>; null for one that may be missing, and then reads as empty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public virtual DataViewSchema.Column?[] FindInputs(DataViewSchema schema) => [.. Inputs.Select(name => (DataViewSchema.Column?)TextColumns.Find(schema, name, "input"))];
}

/// <summary>Finds text columns and refuses others in ML.NET's words.</summary>
internal static class TextColumns
{
    /// <summary>The column that a model's answers are written to and read from by default; <c>Response</c> is the right answer.</summary>
    public const string Generated = "GeneratedText";

    /// <exception cref="ArgumentOutOfRangeException">The column is missing or is no text.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role)
    {
        if (schema.GetColumnOrNull(name) is not { } column)
            throw new ArgumentOutOfRangeException(nameof(schema), $"Could not find {role} column '{name}'{(name == Generated ? "; AsftFineTune's transformer adds it, answers from elsewhere need their column named" : "")}");
        if (column.Type is not TextDataViewType)
            throw new ArgumentOutOfRangeException(nameof(schema), $"Schema mismatch for {role} column '{name}': expected String, got {column.Type}");
        return column;
    }

    /// <summary>Refuses that one column stands on both sides of a comparison.</summary>
    /// <exception cref="ArgumentException">It does; names both options.</exception>
    public static void RequireDifferent(string? first, string firstOption, string? second, string secondOption)
    {
        if (first is not null && first == second)
            throw new ArgumentException($"{firstOption} and {secondOption} are both '{first}': a column would be held against itself.", secondOption);
    }

    /// <summary>What is wrong with answers that are all empty.</summary>
    /// <param name="column">Their column.</param>
    /// <param name="count">How many there are; null: unknown.</param>
    /// <param name="option">The option that names the column.</param>
    public static string NoAnswers(string column, int? count, string option) =>
        $"The column '{column}' holds no answer at all{(count is { } rows ? $": all {rows} rows are empty" : "")}. What a model wrote is in '{Generated}' behind AsftFineTune; name the column of the answers in {option}.";

    /// <summary>A column that may be missing: by its usual name it counts only where it holds text, by another name it must hold text where it is there.</summary>
    /// <param name="schema">The columns.</param>
    /// <param name="name">Its name; null: none.</param>
    /// <param name="role">What it is, for messages.</param>
    /// <param name="usual">Its usual name.</param>
    /// <param name="prompt">The prompt's column, which is not taken twice.</param>
    /// <param name="isNeeded">Whether one of another name must be there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or is no text, and may not.</exception>
    public static DataViewSchema.Column? FindOptional(DataViewSchema schema, string? name, string role, string usual, string prompt, bool isNeeded)
    {
        if (name is null || name == prompt) return null;
        var column = schema.GetColumnOrNull(name);
        if (name == usual) return column is { Type: TextDataViewType } ? column : null;
        return column is null && !isNeeded ? null : Find(schema, name, role);
    }

    /// <summary>Reads the column's text in a row.</summary>
    public static Func<string> Reader(DataViewRow row, DataViewSchema.Column column)
    {
        var getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        return () =>
        {
            ReadOnlyMemory<char> text = default;
            getter(ref text);
            return text.ToString();
        };
    }
}
