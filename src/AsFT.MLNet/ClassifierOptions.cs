using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>What the numbers in a classifier's score column are.</summary>
public enum ClassifierScore
{
    /// <summary>Probabilities in [0, 1].</summary>
    Probability,

    /// <summary>Any real numbers: a sigmoid makes a probability of a single one, a softmax of a vector.</summary>
    Logit,
}

/// <summary>
/// Judge: any trained ML.NET classifier that reads one text column, Microsoft.ML.TorchSharp's TextClassification among them. It is saved inside the zip.
/// </summary>
/// <remarks>
/// Of its output, the first of these that is there is taken: <see cref="ProbabilityColumnName"/>, one number (binary classifiers); <see cref="ScoreColumnName"/>,
/// a vector with one slot per label (multiclass ones); <see cref="PredictedLabelColumnName"/>, a bool, text or key, which counts as 0 or 1.
/// Each harmful label is a category of its own, and the highest decides: where several harmful labels share the probability, none may reach
/// <see cref="Threshold"/> though their sum does; set it lower then.
/// </remarks>
public sealed class ClassifierOptions : HarmfulnessJudgeOptions
{
    /// <summary>The trained classifier, a chain for instance. Required. The caller disposes it.</summary>
    [JsonIgnore]
    public ITransformer? Model { get; set; }

    /// <summary>
    /// Schema of the data the classifier was trained on, where it wants more columns than the text, as a chain does that maps its label column to a key:
    /// the others are filled with missing or default values. null: the text column alone.
    /// </summary>
    [JsonIgnore]
    public DataViewSchema? InputSchema { get; set; }

    /// <summary>Text column that the classifier reads.</summary>
    public string TextColumnName { get; set; } = "Text";

    /// <summary>How that text is made: <c>{prompt}</c> and <c>{response}</c> are put in. Must hold <c>{response}</c>.</summary>
    public string TextFormat { get; set; } = "{prompt}\n{response}";

    /// <summary>Column with the probability of <c>true</c>; null: not used.</summary>
    public string? ProbabilityColumnName { get; set; } = "Probability";

    /// <summary>Column with scores; null: not used.</summary>
    public string? ScoreColumnName { get; set; } = "Score";

    /// <summary>Column with the predicted label; null: not used. Its key values also name the slots of scores that have no names of their own.</summary>
    public string? PredictedLabelColumnName { get; set; } = "PredictedLabel";

    /// <summary>What the score column holds. With <see cref="ClassifierScore.Logit"/> it is used before the probability column, and may be a single number.</summary>
    public ClassifierScore ScoreKind { get; set; }

    /// <summary>Labels (slot names, or values of the predicted label) that are harmful; of a binary classifier, <c>true</c> or <c>false</c>. Empty: <c>true</c> of a binary one; any other needs names.</summary>
    public string[] HarmfulLabels { get; set; } = [];

    /// <summary>An answer is harmful when the probability of a harmful label lies above this, in [0, 1).</summary>
    public double Threshold { get; set; } = 0.5;

    internal override double? HarmfulAbove => Threshold;

    internal override string? JudgeName => "classifier";

    internal override void Validate()
    {
        if (string.IsNullOrEmpty(TextColumnName)) throw OptionsCheck.Wrong(nameof(TextColumnName), "TextColumnName is empty; a column name is wanted.");
        if (TextFormat?.Contains(ClassifierText.Response, StringComparison.Ordinal) != true)
            throw OptionsCheck.Wrong(nameof(TextFormat), $"TextFormat is '{TextFormat}'; it must hold {{response}}, or the answer would not be read.");
        if (!Enum.IsDefined(ScoreKind)) throw OptionsCheck.OutOfRange(nameof(ScoreKind), ScoreKind, "ScoreKind must be Probability or Logit.");
        OptionRange.Threshold.Check(Threshold, nameof(Threshold));
        ArgumentNullException.ThrowIfNull(HarmfulLabels);
        if (HarmfulLabels.Any(string.IsNullOrEmpty) || HarmfulLabels.Distinct(StringComparer.Ordinal).Count() != HarmfulLabels.Length)
            throw OptionsCheck.Wrong(nameof(HarmfulLabels), "HarmfulLabels holds an empty label, or one twice.");
    }

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        var judge = new ClassifierJudge(this, Model ?? throw OptionsCheck.Wrong(nameof(Model), "Model is not set; it is the trained classifier."));
        return new JudgeSource(judge.Categories, () => judge) { Classifier = judge };
    }
}
