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

    /// <summary>Columns that are added, in this order.</summary>
    public abstract IReadOnlyList<BatchColumn<TResult>> Outputs { get; }

    /// <summary>Rows that a cursor reads ahead and hands to one <see cref="Run"/>, at least 1.</summary>
    public abstract int BatchSize { get; }

    /// <summary>Computes some rows.</summary>
    /// <param name="rows">Per row, the values of <see cref="Inputs"/>.</param>
    /// <returns>One result per row, in order.</returns>
    public abstract IReadOnlyList<TResult> Run(IReadOnlyList<string[]> rows);

    /// <summary>The input columns in a schema.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public DataViewSchema.Column[] FindInputs(DataViewSchema schema) => [.. Inputs.Select(name => TextColumns.Find(schema, name, "input"))];
}

/// <summary>Finds text columns and refuses others in ML.NET's words.</summary>
internal static class TextColumns
{
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or is no text.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role)
    {
        if (schema.GetColumnOrNull(name) is not { } column)
            throw new ArgumentOutOfRangeException(nameof(schema), $"Could not find {role} column '{name}'");
        if (column.Type is not TextDataViewType)
            throw new ArgumentOutOfRangeException(nameof(schema), $"Schema mismatch for {role} column '{name}': expected String, got {column.Type}");
        return column;
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
