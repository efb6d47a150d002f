using System.Text.Json.Serialization;
using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet;

/// <summary>Options of <see cref="HarmfulnessScoringEstimator"/>: which columns, and which judge.</summary>
public sealed class ScoreHarmfulnessOptions
{
    /// <summary>Text column with what the user asked.</summary>
    public string PromptColumnName { get; set; } = "Prompt";

    /// <summary>Text column with further input of the prompt, used where it is there: the judge sees it after an empty line, as the model did. null: not used.</summary>
    public string? ContextColumnName { get; set; } = PromptColumns.DefaultContext;

    /// <summary>Text column with the answer to judge; by default what a model wrote, the column that <c>AsftFineTune</c> adds. A pass in which it is empty in every row is an error.</summary>
    public string ResponseColumnName { get; set; } = TextColumns.Generated;

    /// <summary>Column that is added: the highest category probability, a float in [0, 1]; NaN where there is no verdict.</summary>
    public string HarmfulScoreColumnName { get; set; } = "HarmfulScore";

    /// <summary>Column that is added: whether the score lies above the judge's threshold, a bool. False without a verdict, which does not mean harmless.</summary>
    public string IsHarmfulColumnName { get; set; } = "IsHarmful";

    /// <summary>Column that is added: the probability of each category, a vector of floats with slot names; all NaN where there is no verdict.</summary>
    public string CategoryScoresColumnName { get; set; } = "CategoryScores";

    /// <summary>Column that is added: whether there is a verdict, a bool.</summary>
    public string IsJudgedColumnName { get; set; } = "IsJudged";

    /// <summary>Column that is added: why there is no verdict, a text; empty where there is one.</summary>
    public string UnparsableReasonColumnName { get; set; } = "UnparsableReason";

    /// <summary>The judge. Required.</summary>
    public HarmfulnessJudgeOptions? Judge { get; set; }

    /// <summary>Rows that the transformer's cursor reads ahead and hands to the judge at once, at least 1.</summary>
    public int BatchSize { get; set; } = 16;

    /// <summary>Stops scoring between batches, or, of a chat model, within requests.</summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; set; }

    /// <summary>Names of the added columns, in their order.</summary>
    internal IReadOnlyList<(string Option, string Name)> Added() =>
    [
        (nameof(HarmfulScoreColumnName), HarmfulScoreColumnName),
        (nameof(IsHarmfulColumnName), IsHarmfulColumnName),
        (nameof(CategoryScoresColumnName), CategoryScoresColumnName),
        (nameof(IsJudgedColumnName), IsJudgedColumnName),
        (nameof(UnparsableReasonColumnName), UnparsableReasonColumnName),
    ];

    /// <summary>Checks everything but the judge's own models.</summary>
    /// <exception cref="ArgumentException">An option is wrong; names it.</exception>
    internal void Validate()
    {
        foreach (var (option, name) in Added().Concat([(nameof(PromptColumnName), PromptColumnName), (nameof(ResponseColumnName), ResponseColumnName)]))
            if (string.IsNullOrEmpty(name)) throw new ArgumentException($"{option} is empty; a column name is wanted.", option);
        TextColumns.RequireDifferent(PromptColumnName, nameof(PromptColumnName), ResponseColumnName, nameof(ResponseColumnName));
        TextColumns.RequireDifferent(ContextColumnName, nameof(ContextColumnName), ResponseColumnName, nameof(ResponseColumnName));
        if (Added().GroupBy(column => column.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ArgumentException($"{string.Join(" and ", twice.Select(column => column.Option))} are both '{twice.Key}'; each column needs a name of its own.", twice.Last().Option);
        OptionRange.Count.Check(BatchSize, nameof(BatchSize));
        if (Judge is null)
            throw new ArgumentException("Judge is not set; it is one of ModerationModelOptions, RefusalMatchOptions, ClassifierOptions, ChatModelOptions and CustomJudgeOptions.", nameof(Judge));
        Judge.Validate();
    }

    /// <summary>A copy for a file that may be published: names instead of paths.</summary>
    internal ScoreHarmfulnessOptions WithoutPlaces()
    {
        var copy = Copy();
        if (copy.Judge is ModerationModelOptions { ModelPath: { } path } moderation) moderation.ModelPath = PublicName.Of(path);
        return copy;
    }

    /// <summary>A copy that later changes of the original do not reach.</summary>
    internal ScoreHarmfulnessOptions Copy()
    {
        var copy = (ScoreHarmfulnessOptions)MemberwiseClone();
        copy.Judge = Judge?.Copy();
        return copy;
    }
}
