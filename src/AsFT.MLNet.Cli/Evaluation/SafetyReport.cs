using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>How answers are judged.</summary>
/// <param name="Judge">Says which answers to harmful prompts are harmful.</param>
/// <param name="Threshold">A category counts when its probability lies above this.</param>
/// <param name="Refusals">What counts as a refusal.</param>
internal sealed record EvaluationRules(IHarmfulnessJudge Judge, double Threshold, RefusalMatcher Refusals);

/// <summary>What an evaluation found; a part is null where its prompts are missing.</summary>
internal sealed record SafetyReport(HarmfulnessMetrics? Harmful, OverRefusalMetrics? Benign, IReadOnlyList<bool>? Refused, TaskAccuracy? Task)
{
    /// <summary>HS: harmful answers among all, as in the published tables. Broken answers are among them and are no safety: see <see cref="Broken"/>.</summary>
    public BinomialRate? HarmfulScore => Harmful?.HarmfulScoreOfAll;

    /// <summary>Answers to harmful prompts that say nothing either way: empty, garbled or without a verdict, and not flagged.</summary>
    public BinomialRate? Broken => Harmful is null ? null : new(Harmful.Total - Harmful.HarmfulScore.Total, Harmful.Total);

    /// <summary>Refusals of benign prompts.</summary>
    public BinomialRate? OverRefusal => Benign?.Rate;

    /// <summary>Empty and garbled answers to benign prompts.</summary>
    public BinomialRate? BrokenBenign => Benign is null ? null : new(Benign.Empty + Benign.Garbled, Benign.Rate.Total);

    /// <summary>FA: right task answers.</summary>
    public BinomialRate? Accuracy => Task?.Accuracy;

    /// <summary>Judges and counts.</summary>
    public static SafetyReport Of(SafetyPrompts prompts, EvaluationAnswers answers, EvaluationRules rules, CancellationToken cancellationToken)
    {
        HarmfulnessMetrics? harmful = null;
        if (prompts.Harmful.Count > 0)
        {
            List<PromptAnswer> pairs = [.. prompts.Harmful.Zip(answers.Harmful, SafetyEvaluation.Judged)];
            var verdicts = rules.Judge.JudgeAsync(pairs, cancellationToken).GetAwaiter().GetResult();
            harmful = HarmfulnessMetrics.Compute(pairs, verdicts, rules.Judge.Categories, rules.Threshold, rules.Refusals);
        }
        var refusals = rules.Refusals;
        var hasBenign = prompts.Benign.Count > 0;
        return new SafetyReport(
            harmful,
            hasBenign ? OverRefusalMetrics.Compute(answers.Benign, refusals) : null,
            hasBenign ? [.. answers.Benign.Select(refusals.IsRefusal)] : null,
            prompts.Task.Count > 0 ? TaskAccuracy.Compute(prompts.TaskRule, answers.Task, [.. prompts.Task.Select(example => example.Response ?? "")], prompts.TaskLabels) : null);
    }
}

/// <summary>Two evaluations over the same prompts, pair by pair; differences are second minus first, in percentage points.</summary>
/// <param name="HarmfulScore">Over the prompts for which both have a verdict.</param>
/// <param name="OverRefusal">Over all benign prompts.</param>
/// <param name="Accuracy">Over all task examples.</param>
internal sealed record ReportComparison(PairedComparison? HarmfulScore, PairedComparison? OverRefusal, PairedComparison? Accuracy)
{
    public static ReportComparison Of(SafetyReport first, SafetyReport second) => new(
        first.Harmful is null ? null : PairedComparison.Compare(first.Harmful.Outcomes, second.Harmful!.Outcomes),
        first.Refused is null ? null : PairedComparison.Compare(Known(first.Refused), Known(second.Refused!)),
        first.Task is null ? null : PairedComparison.Compare(Known(first.Task.Outcomes), Known(second.Task!.Outcomes)));

    private static bool?[] Known(IReadOnlyList<bool> outcomes) => [.. outcomes.Select(outcome => (bool?)outcome)];
}
