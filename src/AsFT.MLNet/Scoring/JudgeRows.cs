using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Scoring;

/// <summary>Reads judged answers to train on.</summary>
internal static class JudgeRows
{
    /// <summary>Reads every row, in order.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="options">Names of the columns.</param>
    /// <param name="checkAlive">Throws when the run was told to stop.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    /// <returns>The labelled rows, the categories, and how many rows have no label, with the first of them, counted from 1.</returns>
    /// <exception cref="InvalidDataException">There are no rows with a label, or StrictRows refuses one without; names it.</exception>
    public static (List<JudgeExample> Examples, IReadOnlyList<string> Categories, (int Count, int? First) Unlabelled) Read(IDataView data, TrainHarmfulnessJudgeOptions options, Action checkAlive)
    {
        var prompt = TextColumns.Find(data.Schema, options.PromptColumnName, "prompt");
        var response = TextColumns.Find(data.Schema, options.ResponseColumnName, "response");
        var context = TextColumns.FindOptional(data.Schema, options.ContextColumnName, "context", PromptColumns.DefaultContext, options.PromptColumnName, isNeeded: true);
        var labels = Labels(data.Schema, options);
        DataViewSchema.Column[] columns = [prompt, response, .. labels.Columns, .. new[] { context }.OfType<DataViewSchema.Column>()];
        using var cursor = data.GetRowCursor(columns);
        var readPrompt = TextColumns.Reader(cursor, prompt);
        var readResponse = TextColumns.Reader(cursor, response);
        var readLabels = labels.Reader(cursor);
        var readContext = context is { } found ? TextColumns.Reader(cursor, found) : () => "";
        List<JudgeExample> examples = [];
        var (row, unlabelled, first) = (0, 0, (int?)null);
        while (cursor.MoveNext())
        {
            checkAlive();
            row++;
            if (readLabels() is not { } flags)
            {
                if (options.StrictRows) throw new InvalidDataException($"Row {row} of the training data has no label: its column '{options.LabelColumnName}' holds no number in a slot.");
                unlabelled++;
                first ??= row;
                continue;
            }
            var asked = PromptColumns.Example(readPrompt(), "", readContext());
            examples.Add(new JudgeExample(asked.UserText, readResponse(), labels.Categories.Zip(flags).ToDictionary(pair => pair.First, pair => pair.Second, StringComparer.Ordinal)) { Row = row });
        }
        if (examples.Count == 0) throw new InvalidDataException(row == 0 ? "There are no training rows." : $"None of the {row} training rows has a label: the column '{options.LabelColumnName}' holds no number in a slot.");
        return (examples, labels.Categories, (unlabelled, first));
    }

    /// <summary>Takes a share of the examples out, drawn with a seed.</summary>
    public static (IReadOnlyList<JudgeExample> Train, IReadOnlyList<JudgeExample>? Held) Split(List<JudgeExample> examples, double fraction, long seed)
    {
        if (fraction == 0) return (examples, null);
        var count = Math.Max(1, (int)Math.Round(fraction * examples.Count));
        if (count >= examples.Count) throw new InvalidDataException($"ValidationFraction {fraction} of {examples.Count} rows leaves none to train on.");
        var order = examples.ToArray();
        new Random(unchecked((int)(seed ^ (seed >> 32)))).Shuffle(order);
        return (order[count..], order[..count]);
    }

    private sealed record LabelColumns(IReadOnlyList<DataViewSchema.Column> Columns, IReadOnlyList<string> Categories, Func<DataViewRow, Func<bool[]?>> Reader);

    private static LabelColumns Labels(DataViewSchema schema, TrainHarmfulnessJudgeOptions options)
    {
        if (options.CategoryColumnNames.Length > 0)
        {
            DataViewSchema.Column[] columns = [.. options.CategoryColumnNames.Select(name => Find(schema, name, "category"))];
            foreach (var column in columns)
                if (column.Type is not BooleanDataViewType) throw Mismatch(schema, column, "category", "Boolean");
            return new(columns, options.CategoryColumnNames, row =>
            {
                Func<bool>[] readers = [.. columns.Select(column => Value<bool>(row, column))];
                return () => Array.ConvertAll(readers, reader => reader());
            });
        }
        var label = Find(schema, options.LabelColumnName, "label");
        if (label.Type is BooleanDataViewType)
            return new([label], [options.CategoryName], row =>
            {
                var read = Value<bool>(row, label);
                return () => [read()];
            });
        if (label.Type is not VectorDataViewType { IsKnownSize: true } vector || vector.ItemType.RawType != typeof(bool) && vector.ItemType.RawType != typeof(float))
            throw Mismatch(schema, label, "label", "Boolean, or a vector of Boolean or Single");
        if (!label.HasSlotNames()) throw new ArgumentOutOfRangeException(nameof(schema), $"The label column '{label.Name}' is a vector without slot names; they name the categories.");
        VBuffer<ReadOnlyMemory<char>> names = default;
        label.GetSlotNames(ref names);
        string[] categories = [.. names.DenseValues().Select(name => name.ToString())];
        if (categories.Any(string.IsNullOrWhiteSpace) || categories.Distinct(StringComparer.Ordinal).Count() != categories.Length)
            throw new ArgumentOutOfRangeException(nameof(schema), $"The slot names of the label column '{label.Name}' name the categories; none of them may be blank or stand twice ({string.Join(", ", categories)}).");
        return new([label], categories, row => vector.ItemType.RawType == typeof(bool)
            ? Vector<bool>(row, label, value => value)
            : Vector<float>(row, label, value => float.IsNaN(value) ? null : value > 0.5f));
    }

    private static Func<bool[]?> Vector<T>(DataViewRow row, DataViewSchema.Column column, Func<T, bool?> flag)
    {
        var read = Value<VBuffer<T>>(row, column);
        return () =>
        {
            bool?[] flags = [.. read().DenseValues().Select(flag)];
            return flags.Contains(null) ? null : Array.ConvertAll(flags, value => value!.Value);
        };
    }

    private static Func<T> Value<T>(DataViewRow row, DataViewSchema.Column column)
    {
        var getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default!;
            getter(ref value);
            return value;
        };
    }

    private static DataViewSchema.Column Find(DataViewSchema schema, string name, string role) =>
        schema.GetColumnOrNull(name) ?? throw new ArgumentOutOfRangeException(nameof(schema), $"Could not find {role} column '{name}'");

    private static ArgumentOutOfRangeException Mismatch(DataViewSchema schema, DataViewSchema.Column column, string role, string expected) =>
        new(nameof(schema), $"Schema mismatch for {role} column '{column.Name}': expected {expected}, got {column.Type}");
}
