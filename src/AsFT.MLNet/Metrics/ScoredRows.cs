using AsFT.MLNet.Batching;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Metrics;

/// <summary>Columns of scored answers.</summary>
internal sealed record ScoredColumns(string Prompt, string Response, string IsHarmful, string CategoryScores, string IsJudged);

/// <summary>Scored answers, read back from their columns.</summary>
/// <param name="Answers">Prompts and answers.</param>
/// <param name="Verdicts">One per answer.</param>
/// <param name="Categories">The judge's categories.</param>
/// <param name="Threshold">The judge's threshold, where the columns tell it.</param>
/// <param name="Judge">The judge's name, where the columns tell it.</param>
internal sealed record ScoredRows(IReadOnlyList<PromptAnswer> Answers, IReadOnlyList<HarmVerdict> Verdicts, IReadOnlyList<string> Categories, double? Threshold, string? Judge)
{
    /// <param name="data">The rows.</param>
    /// <param name="columns">Their columns.</param>
    /// <param name="argument">What the rows are called in messages.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    /// <exception cref="InvalidDataException">There are no rows, none has an answer, or a row's columns contradict each other.</exception>
    public static ScoredRows Read(IDataView data, ScoredColumns columns, string argument)
    {
        var schema = data.Schema;
        var prompt = TextColumns.Find(schema, columns.Prompt, "prompt");
        var response = TextColumns.Find(schema, columns.Response, "response");
        var isHarmful = Find(schema, columns.IsHarmful, "harmful", type => type is BooleanDataViewType, "Boolean");
        var isJudged = Find(schema, columns.IsJudged, "judged", type => type is BooleanDataViewType, "Boolean");
        var scores = Find(schema, columns.CategoryScores, "category score", type => type is VectorDataViewType { IsKnownSize: true } vector && vector.ItemType.RawType == typeof(float), "Vector<Single> of known size");
        using var cursor = data.GetRowCursor([prompt, response, isHarmful, isJudged, scores]);
        var (readPrompt, readResponse) = (TextColumns.Reader(cursor, prompt), TextColumns.Reader(cursor, response));
        var (getHarmful, getJudged, getScores) = (cursor.GetGetter<bool>(isHarmful), cursor.GetGetter<bool>(isJudged), cursor.GetGetter<VBuffer<float>>(scores));
        List<PromptAnswer> answers = [];
        List<HarmVerdict> verdicts = [];
        VBuffer<float> buffer = default;
        while (cursor.MoveNext())
        {
            bool harmful = false, judged = false;
            getHarmful(ref harmful);
            getJudged(ref judged);
            getScores(ref buffer);
            answers.Add(new(readPrompt(), readResponse()));
            verdicts.Add(Verdict(harmful, judged, [.. buffer.DenseValues()], answers.Count, argument));
        }
        if (answers.Count == 0) throw new InvalidDataException($"There are no rows to evaluate in '{argument}'.");
        if (answers.TrueForAll(pair => string.IsNullOrWhiteSpace(pair.Answer)))
            throw new InvalidDataException(TextColumns.NoAnswers(columns.Response, answers.Count, "responseColumnName"));
        return new(answers, verdicts, Names(scores), Annotation<double>(scores, ScoreFunction.ThresholdAnnotation), Annotation<ReadOnlyMemory<char>>(scores, ScoreFunction.JudgeAnnotation)?.ToString());
    }

    /// <summary>The metrics of these answers.</summary>
    /// <param name="threshold">A category counts above this; null: the judge's threshold, or 0.5.</param>
    /// <param name="refusals">What counts as a refusal; null: the newest rules.</param>
    public HarmfulnessMetrics Metrics(double? threshold, RefusalMatcher? refusals) =>
        HarmfulnessMetrics.Compute(Answers, Verdicts, Categories, threshold ?? Threshold ?? 0.5, refusals) with { Judge = Judge };

    /// <summary>Makes sure that others are answers to the same prompts by the same kind of judge.</summary>
    /// <exception cref="ArgumentException">They are not; names the first difference.</exception>
    public void CheckSame(ScoredRows other, string argument)
    {
        if (Answers.Count != other.Answers.Count)
            throw new ArgumentException($"A comparison needs the same prompts in both runs; the first has {Answers.Count} rows and the second {other.Answers.Count}.", argument);
        if (!Categories.SequenceEqual(other.Categories))
            throw new ArgumentException($"A comparison needs the same judge in both runs; the first scored {string.Join(", ", Categories)}, and the second {string.Join(", ", other.Categories)}.", argument);
        if (Threshold != other.Threshold)
            throw new ArgumentException($"A comparison needs the same judge in both runs; the first calls harmful what scores above {Threshold?.ToString() ?? "an unknown threshold"}, the second above {other.Threshold?.ToString() ?? "an unknown threshold"}.", argument);
        // Two lists of phrases have the same category and threshold; what they call a refusal differs.
        if (Judge is not null && other.Judge is not null && Judge != other.Judge)
            throw new ArgumentException($"A comparison needs the same judge in both runs; the first was judged by {Judge}, and the second by {other.Judge}.", argument);
        for (var i = 0; i < Answers.Count; i++)
        {
            if (Answers[i].Prompt == other.Answers[i].Prompt) continue;
            var isElsewhere = other.Answers.Any(pair => pair.Prompt == Answers[i].Prompt);
            throw new ArgumentException($"A comparison needs the same prompts in both runs{(isElsewhere ? ", in the same order" : "")}; in row {i + 1} the first asks '{Shown(Answers[i].Prompt)}' and the second '{Shown(other.Answers[i].Prompt)}'.", argument);
        }
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..77] + "…";

    // The verdict is the column's, whatever threshold the judge went by.
    private static HarmVerdict Verdict(bool harmful, bool judged, float[] scores, int row, string argument)
    {
        if (!judged)
            return harmful ? throw new InvalidDataException($"Row {row} of '{argument}' is harmful without a verdict; the columns do not belong together.") : HarmVerdict.Unparsable("The judge gave no verdict.");
        if (scores.Any(score => !(score is >= 0 and <= 1)))
            throw new InvalidDataException($"Row {row} of '{argument}' has a verdict, but a category score that is no probability ({string.Join(", ", scores)}); the columns do not belong together.");
        return HarmVerdict.FromScores(scores, harmful ? -1 : 1);
    }

    private static IReadOnlyList<string> Names(DataViewSchema.Column scores)
    {
        var size = ((VectorDataViewType)scores.Type).Size;
        if (!scores.HasSlotNames()) return [.. Enumerable.Range(0, size).Select(slot => $"category {slot}")];
        VBuffer<ReadOnlyMemory<char>> names = default;
        scores.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    private static T? Annotation<T>(DataViewSchema.Column scores, string name) where T : struct
    {
        if (scores.Annotations.Schema.GetColumnOrNull(name) is not { } annotation || annotation.Type.RawType != typeof(T)) return null;
        T value = default;
        scores.Annotations.GetValue(name, ref value);
        return value;
    }

    private static DataViewSchema.Column Find(DataViewSchema schema, string name, string role, Func<DataViewType, bool> fits, string expected)
    {
        if (schema.GetColumnOrNull(name) is not { } column) throw new ArgumentOutOfRangeException(nameof(schema), $"Could not find {role} column '{name}'");
        return fits(column.Type) ? column : throw new ArgumentOutOfRangeException(nameof(schema), $"Schema mismatch for {role} column '{name}': expected {expected}, got {column.Type}");
    }
}
