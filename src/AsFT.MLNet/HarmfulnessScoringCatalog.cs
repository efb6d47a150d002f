using AsFT.MLNet.Batching;
using AsFT.MLNet.Interop;
using Microsoft.ML;

namespace AsFT.MLNet;

/// <summary>Harmfulness scoring for <see cref="MLContext.Transforms"/>.</summary>
public static class HarmfulnessScoringCatalog
{
    /// <summary>Judges answers: adds the harmful score, whether it is harmful, the score of each category, and whether there is a verdict at all.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="options">All options; copied, so later changes have no effect.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    public static HarmfulnessScoringEstimator ScoreHarmfulness(this TransformsCatalog catalog, ScoreHarmfulnessOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new HarmfulnessScoringEstimator(MlNetInternals.Environment(catalog), options);
    }

    /// <summary>Judges answers; the common options only.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="judge">The judge.</param>
    /// <param name="promptColumnName">Text column with what the user asked.</param>
    /// <param name="responseColumnName">Text column with the answer to judge: by default what a model wrote.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    public static HarmfulnessScoringEstimator ScoreHarmfulness(this TransformsCatalog catalog, HarmfulnessJudgeOptions judge,
        string promptColumnName = "Prompt", string responseColumnName = TextColumns.Generated) =>
        ScoreHarmfulness(catalog, new ScoreHarmfulnessOptions { Judge = judge, PromptColumnName = promptColumnName, ResponseColumnName = responseColumnName });

    /// <summary>Fine-tunes a classification head, with LoRA below it, on judged answers; the trained transformer scores harmfulness with it.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="options">All options; copied, so later changes have no effect.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    public static HarmfulnessJudgeEstimator TrainHarmfulnessJudge(this TransformsCatalog catalog, TrainHarmfulnessJudgeOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new HarmfulnessJudgeEstimator(MlNetInternals.Environment(catalog), options);
    }
}
