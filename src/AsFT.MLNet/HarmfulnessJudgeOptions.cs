using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Which judge a <see cref="HarmfulnessScoringEstimator"/> asks, one of <see cref="ModerationModelOptions"/>, <see cref="RefusalMatchOptions"/>,
/// <see cref="ClassifierOptions"/>, <see cref="ChatModelOptions"/> and <see cref="CustomJudgeOptions"/>.
/// </summary>
[JsonDerivedType(typeof(ModerationModelOptions), "moderation-model")]
[JsonDerivedType(typeof(RefusalMatchOptions), "refusal-match")]
[JsonDerivedType(typeof(ClassifierOptions), "classifier")]
[JsonDerivedType(typeof(ChatModelOptions), "chat-model")]
[JsonDerivedType(typeof(CustomJudgeOptions), "custom")]
public abstract class HarmfulnessJudgeOptions
{
    private protected HarmfulnessJudgeOptions()
    {
    }

    /// <summary>Checks what is saved too.</summary>
    /// <exception cref="ArgumentException">An option is wrong; names it.</exception>
    internal abstract void Validate();

    /// <summary>Makes the source of the judge; checks what cannot be saved.</summary>
    /// <param name="environment">Says where to compute where the options do not.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it.</exception>
    internal abstract JudgeSource Source(IHostEnvironment environment);

    /// <summary>Score above which an answer is harmful; null where only the judge knows.</summary>
    internal abstract double? HarmfulAbove { get; }

    /// <summary>The judge's name, with the version of its rules where it has some; null where only the judge knows.</summary>
    internal abstract string? JudgeName { get; }

    /// <summary>A copy that later changes of the original do not reach.</summary>
    internal HarmfulnessJudgeOptions Copy() => OptionsCheck.WithOwnArrays((HarmfulnessJudgeOptions)MemberwiseClone());
}
