namespace AsFT.Torch.Safety.Metrics;

/// <summary>
/// A share of cases, in percent, with Wilson's 95 % score interval (Wilson 1927, J. Am. Stat. Assoc. 22:209–212;
/// Newcombe 1998, Stat. Med. 17:857–872, method 3): right also at 0 % and 100 % and for few cases.
/// </summary>
/// <param name="Count">Cases that have the property.</param>
/// <param name="Total">All cases.</param>
public readonly record struct BinomialRate(long Count, long Total)
{
    /// <summary>Quantile of the standard normal distribution at 0.975.</summary>
    internal const double Z95 = 1.959963984540054;

    /// <summary>Count / total in percent; NaN without cases.</summary>
    public double Percent => Total == 0 ? double.NaN : 100.0 * Count / Total;

    /// <summary>Lower end of the interval in percent; 0 without cases.</summary>
    public double LowerPercent => 100 * Wilson(Count, Total).Lower;

    /// <summary>Upper end of the interval in percent; 100 without cases.</summary>
    public double UpperPercent => 100 * Wilson(Count, Total).Upper;

    /// <summary>For instance <c>4.0 % [1.9, 8.1]</c>; <c>n/a</c> without cases.</summary>
    public string WithInterval() => Total == 0 ? "n/a" : $"{StatisticsText.Percent(Percent)} % [{StatisticsText.Percent(LowerPercent)}, {StatisticsText.Percent(UpperPercent)}]";

    /// <summary>For instance <c>4.0 % [1.9, 8.1] (10/250)</c>.</summary>
    public override string ToString() => Total == 0 ? "n/a (0/0)" : $"{WithInterval()} ({Count}/{Total})";

    /// <summary>Wilson's interval as fractions.</summary>
    /// <param name="count">Cases that have the property, 0 to <paramref name="total"/>.</param>
    /// <param name="total">All cases, 0 or more; the interval of no cases is [0, 1].</param>
    /// <param name="z">Normal quantile; 1.96 gives 95 %.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is negative or larger than the total.</exception>
    public static (double Lower, double Upper) Wilson(long count, long total, double z = Z95)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(total);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, total);
        if (total == 0) return (0, 1);
        double n = total, p = count / n, z2 = z * z;
        var centre = (p + z2 / (2 * n)) / (1 + z2 / n);
        var half = z * Math.Sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
        // At the edges the formula gives 0 and 1 but for rounding.
        return (count == 0 ? 0 : Math.Max(0, centre - half), count == total ? 1 : Math.Min(1, centre + half));
    }
}
