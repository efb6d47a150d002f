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
                h.RefusalRules,
                broken = Rate(report.Broken!.Value),
                h.Empty,
                h.Garbled,
                h.FlaggedGarbled,
                h.Unparsable,
                meanScore = Known(h.MeanScore),
                categories = h.Categories.ToDictionary(category => category.Key, category => Rate(category.Value)),
            }
            : null,
        overRefusal = report.Benign is { } b ? new { rate = Rate(b.Rate), b.RefusalRules, b.Empty, b.Garbled } : null,
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
    public static object Rate(BinomialRate rate) => rate.Total == 0
        ? new { percent = (double?)null, lower = (double?)null, upper = (double?)null, rate.Count, rate.Total }
        : new { percent = (double?)rate.Percent, lower = (double?)rate.LowerPercent, upper = (double?)rate.UpperPercent, rate.Count, rate.Total };

    // A number of no cases is none: null in JSON, which no reader takes for a value.
    private static double? Known(double value) => double.IsNaN(value) ? null : value;

    private static object? Pairs(PairedComparison? pairs) => pairs is null
        ? null
        : new
        {
            first = Known(pairs.First.Percent),
            second = Known(pairs.Second.Percent),
            difference = Known(pairs.Difference),
            lower = pairs.Pairs == 0 ? (double?)null : pairs.LowerDifference,
            upper = pairs.Pairs == 0 ? (double?)null : pairs.UpperDifference,
            pValue = pairs.Pairs == 0 ? (double?)null : pairs.PValue,
            midPValue = pairs.Pairs == 0 ? (double?)null : pairs.MidPValue,
            pairs.Pairs,
            pairs.OnlyFirst,
            pairs.OnlySecond,
            pairs.Excluded,
        };
}
