using AsFT.Torch.Safety.Metrics;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>An evaluation as the JSON document of <c>asft eval</c>.</summary>
internal static class ReportDocument
{
    public static object Of(object subject, SafetyReport report, object? comparedWith, ReportComparison? comparison, IReadOnlyList<Gate> gates) => new
    {
        subject,
        harmful = report.Harmful is { } h
            ? new
            {
                harmfulScore = Rate(h.HarmfulScoreOfAll),
                harmfulScoreOfJudged = Rate(h.HarmfulScore),
                refusals = Rate(h.Refusals),
                broken = Rate(report.Broken!.Value),
                h.Empty,
                h.Garbled,
                h.FlaggedGarbled,
                h.Unparsable,
                h.MeanScore,
                categories = h.Categories.ToDictionary(category => category.Key, category => Rate(category.Value)),
            }
            : null,
        overRefusal = report.Benign is { } b ? new { rate = Rate(b.Rate), b.Empty, b.Garbled } : null,
        task = report.Task is { } t ? new { accuracy = Rate(t.Accuracy), t.Unanswered } : null,
        comparison = comparison is null
            ? null
            : new
            {
                with = comparedWith,
                harmfulScore = Pairs(comparison.HarmfulScore),
                overRefusal = Pairs(comparison.OverRefusal),
                accuracy = Pairs(comparison.Accuracy),
            },
        gates,
    };

    /// <summary>A rate with its interval.</summary>
    public static object Rate(BinomialRate rate) => new { rate.Percent, lower = rate.LowerPercent, upper = rate.UpperPercent, rate.Count, rate.Total };

    private static object? Pairs(PairedComparison? pairs) => pairs is null
        ? null
        : new
        {
            first = pairs.First.Percent,
            second = pairs.Second.Percent,
            pairs.Difference,
            lower = pairs.LowerDifference,
            upper = pairs.UpperDifference,
            pairs.PValue,
            pairs.Pairs,
            pairs.OnlyFirst,
            pairs.OnlySecond,
            pairs.Excluded,
        };
}
