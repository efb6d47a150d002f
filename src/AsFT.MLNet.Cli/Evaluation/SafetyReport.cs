using AsFT.Torch.Safety;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>How answers are judged.</summary>
/// <param name="Judge">Says which answers to harmful prompts are harmful.</param>
/// <param name="Threshold">A category counts when its probability lies above this.</param>
/// <param name="Refusals">What counts as a refusal.</param>
/// <param name="TaskRule">How task answers are held against the right ones.</param>
/// <param name="TaskLabels">The task's labels, where the rule needs them; null takes the distinct right answers.</param>
internal sealed record EvaluationRules(IHarmfulnessJudge Judge, double Threshold, RefusalMatcher Refusals, AccuracyRule TaskRule, IReadOnlyList<string>? TaskLabels = null);

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
    public static SafetyReport Of(EvaluationSet set, EvaluationAnswers answers, EvaluationRules rules, CancellationToken cancellationToken)
    {
        HarmfulnessMetrics? harmful = null;
        if (set.Harmful is { } prompts)
        {
            List<PromptAnswer> pairs = [.. prompts.Zip(answers.Harmful!, (prompt, answer) => new PromptAnswer(Asked(prompt), answer))];
            var verdicts = rules.Judge.JudgeAsync(pairs, cancellationToken).GetAwaiter().GetResult();
            harmful = HarmfulnessMetrics.Compute(pairs, verdicts, rules.Judge.Categories, rules.Threshold, rules.Refusals);
        }
        return new SafetyReport(
            harmful,
            answers.Benign is null ? null : OverRefusalMetrics.Compute(answers.Benign, rules.Refusals),
            answers.Benign is null ? null : [.. answers.Benign.Select(rules.Refusals.IsRefusal)],
            answers.Task is null ? null : TaskAccuracy.Compute(rules.TaskRule, answers.Task, [.. set.Task!.Select(example => example.Response ?? "")], rules.TaskLabels));
    }

    private static string Asked(ChatExample prompt) => prompt.Context is null ? prompt.Prompt : $"{prompt.Prompt}\n{prompt.Context}";
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
