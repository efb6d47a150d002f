using AsFT.MLNet.FineTuning;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Scoring;

/// <summary>The column of a classifier's output that tells how harmful a text is, and how it is read.</summary>
/// <param name="ColumnName">The column.</param>
/// <param name="Categories">The harmful labels, in the order of the scores.</param>
/// <param name="Reader">Makes a reader of the scores of a cursor's current row.</param>
internal sealed record ClassifierOutput(string ColumnName, IReadOnlyList<string> Categories, Func<DataViewRow, Func<float[]>> Reader)
{
    /// <summary>The one category of a binary classifier.</summary>
    private const string Harmful = "harmful";

    /// <exception cref="ArgumentException">There is no such column, or the harmful labels do not fit it.</exception>
    public static ClassifierOutput Find(ClassifierOptions options, DataViewSchema schema)
    {
        var isLogit = options.ScoreKind == ClassifierScore.Logit;
        if (!isLogit && Column(schema, options.ProbabilityColumnName) is { } probability)
            return probability.Type is NumberDataViewType { RawType: var raw } && raw == typeof(float)
                ? OfNumber(options, probability.Name, value => value)
                : throw OptionsCheck.Wrong(nameof(options.ProbabilityColumnName), $"The classifier's column '{probability.Name}' (ProbabilityColumnName) is of type {probability.Type}; one float is wanted.");
        if (Column(schema, options.ScoreColumnName) is { } score)
        {
            if (score.Type is VectorDataViewType { IsKnownSize: true } vector && vector.ItemType.RawType == typeof(float)) return OfVector(options, schema, score, vector.Size, isLogit);
            if (isLogit && score.Type.RawType == typeof(float)) return OfNumber(options, score.Name, Sigmoid);
        }
        if (!isLogit && Column(schema, options.PredictedLabelColumnName) is { } label) return OfLabel(options, label);
        throw OptionsCheck.Wrong(nameof(options.ScoreColumnName), $"The classifier yields nothing to judge by (ProbabilityColumnName '{options.ProbabilityColumnName}', ScoreColumnName '{options.ScoreColumnName}', "
            + $"PredictedLabelColumnName '{options.PredictedLabelColumnName}', ScoreKind {options.ScoreKind}); its columns are {string.Join(", ", schema.Where(column => !column.IsHidden).Select(column => $"'{column.Name}' ({column.Type})"))}.");
    }

    private static ClassifierOutput OfNumber(ClassifierOptions options, string name, Func<float, float> probability)
    {
        var isInverted = IsInverted(options, name);
        return new(name, [Harmful], row =>
        {
            var getter = row.GetGetter<float>(row.Schema[name]);
            return () =>
            {
                var value = 0f;
                getter(ref value);
                value = probability(value);
                return [isInverted ? 1 - value : value];
            };
        });
    }

    private static ClassifierOutput OfVector(ClassifierOptions options, DataViewSchema schema, DataViewSchema.Column score, int size, bool isLogit)
    {
        var names = SlotNames(score, size) ?? (Column(schema, options.PredictedLabelColumnName) is { } label ? KeyValues(label) : null)
            ?? throw OptionsCheck.Wrong(nameof(options.ScoreColumnName), $"The slots of the classifier's column '{score.Name}' have no names, and '{options.PredictedLabelColumnName}' no key values; keep the key column instead of MapKeyToValue over it.");
        if (names.Length != size)
            throw OptionsCheck.Wrong(nameof(options.ScoreColumnName), $"The classifier's column '{score.Name}' has {size} slots, but {names.Length} labels are known ({string.Join(", ", names)}).");
        var slots = Slots(options, score.Name, names);
        return new(score.Name, [.. slots.Select(slot => names[slot])], row =>
        {
            var getter = row.GetGetter<VBuffer<float>>(row.Schema[score.Name]);
            return () =>
            {
                VBuffer<float> buffer = default;
                getter(ref buffer);
                float[] values = [.. buffer.DenseValues()];
                if (isLogit) Softmax(values);
                return Array.ConvertAll(slots, slot => values[slot]);
            };
        });
    }

    private static ClassifierOutput OfLabel(ClassifierOptions options, DataViewSchema.Column label)
    {
        if (label.Type is BooleanDataViewType)
        {
            var isInverted = IsInverted(options, label.Name);
            return new(label.Name, [Harmful], row => Reader<bool>(row, value => [value != isInverted ? 1 : 0]));
        }
        if (label.Type is TextDataViewType)
        {
            if (options.HarmfulLabels.Length == 0) throw OptionsCheck.Wrong(nameof(options.HarmfulLabels), $"HarmfulLabels is empty; say which values of the classifier's column '{label.Name}' are harmful.");
            var harmful = options.HarmfulLabels;
            return new(label.Name, harmful, row => Reader<ReadOnlyMemory<char>>(row, value => Array.ConvertAll(harmful, name => value.Span.SequenceEqual(name) ? 1f : 0)));
        }
        if (label.Type is KeyDataViewType { RawType: var raw } && raw == typeof(uint) && KeyValues(label) is { } names)
        {
            var slots = Slots(options, label.Name, names);
            // Keys count from 1; 0 is a missing one.
            return new(label.Name, [.. slots.Select(slot => names[slot])], row => Reader<uint>(row, key => key == 0 ? [float.NaN] : Array.ConvertAll(slots, slot => key == slot + 1 ? 1f : 0)));
        }
        throw OptionsCheck.Wrong(nameof(options.PredictedLabelColumnName), $"The classifier's column '{label.Name}' (PredictedLabelColumnName) is of type {label.Type}; a bool, a text, or a key with key values is wanted.");

        Func<float[]> Reader<T>(DataViewRow row, Func<T, float[]> scores)
        {
            var getter = row.GetGetter<T>(row.Schema[label.Name]);
            return () =>
            {
                T value = default!;
                getter(ref value);
                return scores(value);
            };
        }
    }

    private static bool IsInverted(ClassifierOptions options, string column) => options.HarmfulLabels switch
    {
        [] => false,
        [var label] when bool.TryParse(label, out var isHarmful) => !isHarmful,
        var labels => throw OptionsCheck.Wrong(nameof(options.HarmfulLabels), $"HarmfulLabels is {string.Join(", ", labels)}, but the classifier's column '{column}' is of a binary classifier; true or false is wanted."),
    };

    private static int[] Slots(ClassifierOptions options, string column, string[] names)
    {
        if (options.HarmfulLabels.Length == 0)
            throw OptionsCheck.Wrong(nameof(options.HarmfulLabels), $"HarmfulLabels is empty; say which labels of the classifier's column '{column}' are harmful: {string.Join(", ", names)}.");
        if (options.HarmfulLabels.FirstOrDefault(label => !names.Contains(label, StringComparer.Ordinal)) is { } unknown)
            throw OptionsCheck.Wrong(nameof(options.HarmfulLabels), $"HarmfulLabels names '{unknown}', which the classifier's column '{column}' does not have ({string.Join(", ", names)}).");
        return [.. Enumerable.Range(0, names.Length).Where(slot => options.HarmfulLabels.Contains(names[slot], StringComparer.Ordinal))];
    }

    private static DataViewSchema.Column? Column(DataViewSchema schema, string? name) => name is null ? null : schema.GetColumnOrNull(name);

    private static string[]? SlotNames(DataViewSchema.Column column, int size)
    {
        if (!column.HasSlotNames()) return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return names.Length == size ? [.. names.DenseValues().Select(name => name.ToString())] : null;
    }

    // Of the types that MapValueToKey makes of labels.
    private static string[]? KeyValues(DataViewSchema.Column column)
    {
        if (column.Annotations.Schema.GetColumnOrNull("KeyValues") is not { Type: VectorDataViewType vector }) return null;
        return vector.ItemType switch
        {
            TextDataViewType => Values<ReadOnlyMemory<char>>(column, value => value.ToString()),
            NumberDataViewType { RawType: var raw } when raw == typeof(float) => Values<float>(column, value => value.ToString()),
            NumberDataViewType { RawType: var raw } when raw == typeof(int) => Values<int>(column, value => value.ToString()),
            NumberDataViewType { RawType: var raw } when raw == typeof(uint) => Values<uint>(column, value => value.ToString()),
            BooleanDataViewType => Values<bool>(column, value => value ? "true" : "false"),
            _ => null,
        };
    }

    private static string[] Values<T>(DataViewSchema.Column column, Func<T, string> text)
    {
        VBuffer<T> values = default;
        column.GetKeyValues(ref values);
        return [.. values.DenseValues().Select(text)];
    }

    private static float Sigmoid(float value) => 1 / (1 + MathF.Exp(-value));

    private static void Softmax(float[] values)
    {
        var highest = values.Max();
        var sum = 0f;
        for (var i = 0; i < values.Length; i++) sum += values[i] = MathF.Exp(values[i] - highest);
        for (var i = 0; i < values.Length; i++) values[i] /= sum;
    }
}
