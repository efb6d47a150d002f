using System.Globalization;

namespace AsFT.Torch.Safety.Metrics;

/// <summary>
/// Percentages, differences and p-values as text, the same in every culture. What is rounded stays on its side: 99.96 % is not shown as
/// 100.0 %, 0.04 % not as 0.0 %, a p of 0.04996 not as 0.05, and no p as 0.
/// </summary>
internal static class StatisticsText
{
    private const int MostDecimals = 10;

    private static readonly double[] Edges = [0, 100], Origin = [0], Levels = [0.0001, 0.001, 0.01, 0.05, 0.1, 1];

    /// <summary>A percentage with one decimal, or with as many as keep it from looking like a limit that it does not reach.</summary>
    /// <param name="value">Percent; NaN, of no cases, gives <c>n/a</c>.</param>
    /// <param name="limits">Limits beside 0 and 100, for instance that of a gate.</param>
    public static string Percent(double value, params ReadOnlySpan<double> limits) => Rounded(value, 1, "", [.. Edges, .. limits]);

    /// <summary>A difference in percentage points with its sign.</summary>
    /// <param name="value">Points; NaN, of no cases, gives <c>n/a</c>.</param>
    public static string Points(double value) => Rounded(value, 1, "+", Origin);

    /// <summary>A p-value: <c>0.0312</c>, <c>2.4e-12</c>, or <c>&lt; 1e-300</c> where it is below what can be told.</summary>
    /// <param name="p">In [0, 1]; NaN, of no test, gives <c>n/a</c>.</param>
    /// <param name="floor">What lies below is known only to do so.</param>
    public static string PValue(double p, double floor = 1e-300)
    {
        if (double.IsNaN(p)) return "n/a";
        if (p < floor) return "< " + floor.ToString("0e0", CultureInfo.InvariantCulture);
        return p < 0.0001 ? p.ToString("0.0e0", CultureInfo.InvariantCulture) : Rounded(p, 4, "", Levels);
    }

    /// <summary>A p-value as an equation: <c>p = 0.0312</c>, <c>p &lt; 1e-300</c>.</summary>
    /// <param name="p">In [0, 1]; NaN, of no test, gives <c>p = n/a</c>.</param>
    /// <param name="floor">What lies below is known only to do so.</param>
    public static string PEquation(double p, double floor = 1e-300) => PValue(p, floor) is var text && text[0] == '<' ? $"p {text}" : $"p = {text}";

    private static string Rounded(double value, int decimals, string sign, ReadOnlySpan<double> limits)
    {
        if (double.IsNaN(value)) return "n/a";
        while (decimals < MostDecimals && IsCrossed(value, decimals, limits)) decimals++;
        var digits = "0." + new string('0', decimals);
        return value.ToString(sign.Length > 0 ? $"+{digits};−{digits};{digits}" : digits, CultureInfo.InvariantCulture);
    }

    // Whether what is shown lies on another side of a limit than the value, or on the limit itself.
    private static bool IsCrossed(double value, int decimals, ReadOnlySpan<double> limits)
    {
        var shown = double.Parse(value.ToString($"F{decimals}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        foreach (var limit in limits)
            if (value.CompareTo(limit) != shown.CompareTo(limit)) return true;
        return false;
    }
}
