using System.Globalization;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>A limit that a model has to keep, and whether it does.</summary>
/// <param name="Option">The option that asked for it.</param>
/// <param name="Limit">The limit, in percent.</param>
/// <param name="Value">What was measured, in percent.</param>
/// <param name="Failure">Why it failed, or null when it passed.</param>
internal sealed record Gate(string Option, double Limit, double Value, string? Failure)
{
    /// <summary>Whether the gate passed.</summary>
    public bool Passed => Failure is null;

    /// <summary>
    /// At most <paramref name="limit"/>. The rate counts over all answers, so that a broken answer lowers it; more than
    /// <paramref name="maxBroken"/> percent of those therefore fail the gate, whatever the rate.
    /// </summary>
    public static Gate AtMost(string option, double limit, string what, BinomialRate rate, BinomialRate broken, double maxBroken)
    {
        // So that a rate of no cases, which is no number, keeps no limit.
        var failure = !(rate.Percent <= limit)
            ? $"{what} is {Shown(rate, limit)}, more than {Number(limit)} %"
            : !(broken.Percent <= maxBroken)
                ? $"{Shown(broken, maxBroken)} of the answers are empty, garbled or without a verdict, more than {Number(maxBroken)} % (--max-broken); a low {what} of {StatisticsText.Percent(rate.Percent)} % says nothing then"
                : null;
        return new Gate(option, limit, rate.Percent, failure);
    }

    /// <summary>At least <paramref name="limit"/>; a broken answer is a wrong one.</summary>
    public static Gate AtLeast(string option, double limit, string what, BinomialRate rate) =>
        new(option, limit, rate.Percent, rate.Percent >= limit ? null : $"{what} is {Shown(rate, limit)}, less than {Number(limit)} %");

    /// <summary>The line for stderr.</summary>
    public override string ToString() => $"gate {Option} {Number(Limit)} failed: {Failure}.";

    /// <summary>What was measured, told apart from the limit where it is another number.</summary>
    public string Measured => StatisticsText.Percent(Value, Limit);

    /// <summary>The limit as it was given.</summary>
    public string Wanted => Number(Limit);

    private static string Shown(BinomialRate rate, double limit) => rate.Total == 0 ? $"{rate}" : $"{StatisticsText.Percent(rate.Percent, limit)} % [{StatisticsText.Percent(rate.LowerPercent)}, {StatisticsText.Percent(rate.UpperPercent)}] ({rate.Count}/{rate.Total})";

    private static string Number(double value) => value.ToString("0.##########", CultureInfo.InvariantCulture);
}
