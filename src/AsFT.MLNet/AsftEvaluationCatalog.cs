using AsFT.MLNet.Batching;
using AsFT.MLNet.Metrics;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using Microsoft.ML;

namespace AsFT.MLNet;

/// <summary>Metrics of safety and of the task, for <see cref="MLContext"/>.</summary>
public static class AsftEvaluationCatalog
{
    /// <summary>How harmful scored answers are: HS with its interval, refusals, rates per category, and what is empty, garbled or without a verdict.</summary>
    /// <param name="context">The context.</param>
    /// <param name="data">Rows that <c>Transforms.ScoreHarmfulness</c> has scored.</param>
    /// <param name="promptColumnName">Text column with what was asked.</param>
    /// <param name="responseColumnName">Text column with the answer that was judged: by default what a model wrote.</param>
    /// <param name="isHarmfulColumnName">Bool column: whether it is harmful.</param>
    /// <param name="categoryScoresColumnName">Vector column with slot names: the probability of each category.</param>
    /// <param name="isJudgedColumnName">Bool column: whether there is a verdict.</param>
    /// <param name="threshold">A category counts when its probability lies above this, in [0, 1); null: the judge's threshold, which the category scores carry, or 0.5.</param>
    /// <param name="refusals">What counts as a refusal; null: the newest <see cref="RefusalRules"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    /// <exception cref="InvalidDataException">There are no rows, none has an answer, or a row's columns contradict each other.</exception>
    public static HarmfulnessMetrics EvaluateHarmfulness(this MLContext context, IDataView data, string promptColumnName = "Prompt", string responseColumnName = TextColumns.Generated,
        string isHarmfulColumnName = "IsHarmful", string categoryScoresColumnName = "CategoryScores", string isJudgedColumnName = "IsJudged",
        double? threshold = null, RefusalMatcher? refusals = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(data);
        OptionRange.Threshold.Check(threshold, nameof(threshold));
        TextColumns.RequireDifferent(promptColumnName, nameof(promptColumnName), responseColumnName, nameof(responseColumnName));
        var columns = new ScoredColumns(promptColumnName, responseColumnName, isHarmfulColumnName, categoryScoresColumnName, isJudgedColumnName);
        return ScoredRows.Read(data, columns, nameof(data)).Metrics(threshold, refusals);
    }

    /// <summary>
    /// Compares two models, answer by answer, over the same prompts: the difference of their HS with a paired 95 % interval, and McNemar's exact p.
    /// Second minus first: below 0 the second is less harmful. Pairs of which one has no verdict, or is empty or garbled, are left out and counted.
    /// </summary>
    /// <param name="context">The context.</param>
    /// <param name="first">Scored answers of the first model.</param>
    /// <param name="second">Scored answers of the second model to the same prompts, in the same order, by the same judge.</param>
    /// <param name="promptColumnName">Text column with what was asked, in both.</param>
    /// <param name="responseColumnName">Text column with the answer that was judged, in both.</param>
    /// <param name="isHarmfulColumnName">Bool column: whether it is harmful.</param>
    /// <param name="categoryScoresColumnName">Vector column with slot names: the probability of each category.</param>
    /// <param name="isJudgedColumnName">Bool column: whether there is a verdict.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    /// <exception cref="ArgumentException">The prompts differ, in number, text or order, or the judges' categories or thresholds do; names the first difference.</exception>
    /// <exception cref="InvalidDataException">There are no rows, none has an answer, or a row's columns contradict each other.</exception>
    public static PairedComparison CompareHarmfulness(this MLContext context, IDataView first, IDataView second, string promptColumnName = "Prompt", string responseColumnName = TextColumns.Generated,
        string isHarmfulColumnName = "IsHarmful", string categoryScoresColumnName = "CategoryScores", string isJudgedColumnName = "IsJudged")
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        TextColumns.RequireDifferent(promptColumnName, nameof(promptColumnName), responseColumnName, nameof(responseColumnName));
        var columns = new ScoredColumns(promptColumnName, responseColumnName, isHarmfulColumnName, categoryScoresColumnName, isJudgedColumnName);
        if (ReferenceEquals(first, second)) throw new ArgumentException("first and second are one view: a model would be compared with itself.", nameof(second));
        var (a, b) = (ScoredRows.Read(first, columns, nameof(first)), ScoredRows.Read(second, columns, nameof(second)));
        a.CheckSame(b, nameof(second));
        return PairedComparison.Compare(a.Metrics(null, null).Outcomes, b.Metrics(null, null).Outcomes);
    }

    /// <summary>How often a model refuses prompts that it ought to answer; empty and garbled answers are counted apart.</summary>
    /// <param name="context">The context.</param>
    /// <param name="data">Answers to benign prompts.</param>
    /// <param name="responseColumnName">Text column with the answers: by default what a model wrote.</param>
    /// <param name="refusals">What counts as a refusal; null: the newest <see cref="RefusalRules"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or none has an answer.</exception>
    public static OverRefusalMetrics EvaluateOverRefusal(this MLContext context, IDataView data, string responseColumnName = TextColumns.Generated, RefusalMatcher? refusals = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(data);
        return OverRefusalMetrics.Compute(TextRowsReader.Read(data, [new(responseColumnName, "response", nameof(responseColumnName))])[0], refusals);
    }

    /// <summary>FA: how many answers to a task are right, by a rule; and, on request, the perplexity of the right answers.</summary>
    /// <param name="context">The context.</param>
    /// <param name="data">Generated answers with their references.</param>
    /// <param name="rule">How an answer is held against its reference.</param>
    /// <param name="answerColumnName">Text column with the generated answers.</param>
    /// <param name="referenceColumnName">Text column with the right answers.</param>
    /// <param name="labels">The task's labels, for <see cref="AccuracyRule.LabelMatch"/>; null: the distinct references.</param>
    /// <param name="perplexityModel">The model whose perplexity is measured, on its own prompt and response columns; null: not measured.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="ArgumentException">A reference is no label or holds no number; names its row, counted from 0.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or none has an answer.</exception>
    public static TaskAccuracy EvaluateTaskAccuracy(this MLContext context, IDataView data, AccuracyRule rule = AccuracyRule.ExactMatch, string answerColumnName = TextColumns.Generated,
        string referenceColumnName = "Response", IReadOnlyList<string>? labels = null, AsftFineTuneTransformer? perplexityModel = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(data);
        TextColumns.RequireDifferent(answerColumnName, nameof(answerColumnName), referenceColumnName, nameof(referenceColumnName));
        var columns = TextRowsReader.Read(data, [new(answerColumnName, "answer", nameof(answerColumnName)), new(referenceColumnName, "reference", nameof(referenceColumnName))]);
        var accuracy = TaskAccuracy.Compute(rule, columns[0], columns[1], labels);
        return perplexityModel is null ? accuracy : accuracy with { Perplexity = EvaluatePerplexity(context, data, perplexityModel) };
    }

    /// <summary>Perplexity of right answers under a fine-tuned model: e to the mean cross-entropy per token of the answers, prompts not counted; every token weighs the same.</summary>
    /// <param name="context">The context.</param>
    /// <param name="data">Rows with the model's prompt and response columns (and system and context, where it has them).</param>
    /// <param name="model">The model.</param>
    /// <returns>At least 1.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or none has an answer that fits beside its prompt.</exception>
    public static double EvaluatePerplexity(this MLContext context, IDataView data, AsftFineTuneTransformer model)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        return Perplexity.FromMeanNegativeLogLikelihood(model.CrossEntropy(data));
    }
}
