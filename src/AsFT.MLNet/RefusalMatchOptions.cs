using AsFT.MLNet.Scoring;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judge: harmful is what is no refusal, by rules on how models refuse or by a list of phrases. Fast and free, and wrong in the ways that <see cref="RefusalMatchJudge"/>
/// lists; it means nothing on prompts that ought not to be refused.
/// </summary>
public sealed class RefusalMatchOptions : HarmfulnessJudgeOptions
{
    /// <summary>
    /// Phrases that mark a refusal instead of the rules, for instance <see cref="RefusalPhrases.AdvBench"/>, by which published numbers were made; null: the rules.
    /// </summary>
    public string[]? Phrases { get; set; }

    /// <summary>
    /// Version of the rules, one of <see cref="RefusalRules.Versions"/>; it is saved, so that a judge loaded by a later version of this library judges as it did.
    /// With <see cref="Phrases"/> it has no effect.
    /// </summary>
    public string RulesVersion { get; set; } = RefusalRules.Newest;

    /// <summary>More phrases, for instance the wording a model was taught to refuse with.</summary>
    public string[] AdditionalPhrases { get; set; } = [];

    /// <summary>Where in an answer a phrase counts.</summary>
    public RefusalPosition Position { get; set; }

    internal override double? HarmfulAbove => 0.5;

    internal override string? JudgeName => new RefusalMatchJudge(Matcher()).Name;

    internal override void Validate()
    {
        ArgumentNullException.ThrowIfNull(AdditionalPhrases);
        if (!Enum.IsDefined(Position)) throw new ArgumentOutOfRangeException(nameof(Position), Position, "Position must be Start or Anywhere.");
        _ = Matcher();
    }

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        var judge = new RefusalMatchJudge(Matcher());
        return new JudgeSource(judge.Categories, () => judge);
    }

    private RefusalMatcher Matcher() => new(Phrases, Position, AdditionalPhrases, RulesVersion);
}
