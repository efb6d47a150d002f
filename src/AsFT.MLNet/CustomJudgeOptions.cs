using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judge: any <see cref="IHarmfulnessJudge"/>. It cannot be saved: a saved pipeline keeps its categories, and is loaded with
/// <see cref="AsftLoadOptions.Judge"/>; without that it loads, and says so when scores are read.
/// </summary>
public sealed class CustomJudgeOptions : HarmfulnessJudgeOptions
{
    /// <summary>The judge. Required, except on loading.</summary>
    [JsonIgnore]
    public IHarmfulnessJudge? Judge { get; set; }

    /// <summary>Whether the transformer disposes the judge with itself.</summary>
    [JsonIgnore]
    public bool OwnsJudge { get; set; }

    /// <summary>Score above which the judge calls an answer harmful, in [0, 1), where it goes by one; per-category rates go by it. null: 0.5 there.</summary>
    public double? Threshold { get; set; }

    internal override double? HarmfulAbove => Threshold;

    internal override string? JudgeName => Judge?.Name;

    internal override void Validate() => OptionRange.Threshold.Check(Threshold, nameof(Threshold));

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        if (Judge is not { } judge) throw OptionsCheck.Wrong(nameof(Judge), "Judge is not set; it is the judge that is asked.");
        if (judge.Categories is not { Count: > 0 } categories || categories.Distinct(StringComparer.Ordinal).Count() != categories.Count)
            throw OptionsCheck.Wrong(nameof(Judge), $"The judge '{judge.Name}' must have at least one category, and none of them twice.");
        return new JudgeSource([.. categories], () => judge, ownsJudge: OwnsJudge) { OwnsUnmade = OwnsJudge };
    }
}
