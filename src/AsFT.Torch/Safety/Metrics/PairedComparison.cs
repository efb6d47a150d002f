namespace AsFT.Torch.Safety.Metrics;

/// <summary>
/// Two runs over the same prompts, compared pair by pair: the difference of their rates with Newcombe's 95 % score interval
/// for paired proportions (Newcombe 1998, Stat. Med. 17:2635–2650, method 10, “square and add” with the continuity-corrected
/// φ) and McNemar's exact test (two-sided binomial test of the discordant pairs at ½). The interval and the test come from
/// different constructions: near the edge one may reach 0 where the other has p just below 0.05; go by the test.
/// </summary>
/// <param name="Both">Pairs in which both runs have the property.</param>
/// <param name="OnlyFirst">Pairs in which only the first run has it.</param>
/// <param name="OnlySecond">Pairs in which only the second run has it.</param>
/// <param name="Neither">Pairs in which no run has it.</param>
public sealed record PairedComparison(long Both, long OnlyFirst, long OnlySecond, long Neither)
{
    /// <summary>Pairs compared.</summary>
    public long Pairs => Both + OnlyFirst + OnlySecond + Neither;

    /// <summary>Pairs left out because a run has no verdict for them.</summary>
    public long Excluded { get; init; }

    /// <summary>Rate of the first run over the compared pairs.</summary>
    public BinomialRate First => new(Both + OnlyFirst, Pairs);

    /// <summary>Rate of the second run over the compared pairs.</summary>
    public BinomialRate Second => new(Both + OnlySecond, Pairs);

    /// <summary>Second minus first, in percentage points; NaN without pairs.</summary>
    public double Difference => Pairs == 0 ? double.NaN : 100.0 * (OnlySecond - OnlyFirst) / Pairs;

    /// <summary>Lower end of the difference's interval, in percentage points.</summary>
    public double LowerDifference => 100 * Interval.Lower;

    /// <summary>Upper end of the difference's interval, in percentage points.</summary>
    public double UpperDifference => 100 * Interval.Upper;

    /// <summary>McNemar's exact two-sided p; 1 without discordant pairs.</summary>
    public double PValue => McNemarExact(OnlyFirst, OnlySecond);

    /// <summary>McNemar's mid-p, less cautious where few pairs are discordant; 1 without discordant pairs.</summary>
    public double MidPValue => McNemarMidP(OnlyFirst, OnlySecond);

    /// <summary>Compares two runs.</summary>
    /// <param name="first">Per prompt, whether the first run has the property; null where it has no verdict.</param>
    /// <param name="second">The same for the second run, in the same order of prompts.</param>
    /// <exception cref="ArgumentException">The runs differ in length.</exception>
    public static PairedComparison Compare(IReadOnlyList<bool?> first, IReadOnlyList<bool?> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Count != second.Count)
            throw new ArgumentException($"A paired comparison needs the same prompts in both runs; one has {first.Count} and the other {second.Count}.", nameof(second));
        long both = 0, onlyFirst = 0, onlySecond = 0, neither = 0, excluded = 0;
        for (var i = 0; i < first.Count; i++)
        {
            switch (first[i], second[i])
            {
                case (true, true): both++; break;
                case (true, false): onlyFirst++; break;
                case (false, true): onlySecond++; break;
                case (false, false): neither++; break;
                default: excluded++; break;
            }
        }
        return new(both, onlyFirst, onlySecond, neither) { Excluded = excluded };
    }

    /// <summary>
    /// McNemar's exact test: p = min(1, 2·P(X ≤ min(b, c))) for X ~ Binomial(b + c, ½). The largest term is taken through
    /// logarithms and the rest summed relative to it, so large counts neither overflow nor lose digits.
    /// </summary>
    /// <param name="onlyFirst">b: pairs discordant one way.</param>
    /// <param name="onlySecond">c: pairs discordant the other way.</param>
    /// <returns>p in (0, 1]; the smallest positive double where it lies below that.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is negative.</exception>
    public static double McNemarExact(long onlyFirst, long onlySecond)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(onlyFirst);
        ArgumentOutOfRangeException.ThrowIfNegative(onlySecond);
        long n = checked(onlyFirst + onlySecond), smaller = Math.Min(onlyFirst, onlySecond);
        // With equal counts the two tails overlap, and cover all.
        if (onlyFirst == onlySecond) return 1;
        var logLargest = LogBinomial(smaller, n);
        double sum = 1, term = 1;
        for (var k = smaller; k > 0; k--)
        {
            term *= (double)k / (n - k + 1);
            sum += term;
            if (term < 1e-18 * sum) break;
        }
        return Math.Clamp(Math.Exp(logLargest + Math.Log(2 * sum)), double.Epsilon, 1);
    }

    /// <summary>
    /// McNemar's mid-p test (Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodol. 13:91): the exact p less the probability of the
    /// counts observed. The exact test errs well below its level where few pairs are discordant; this one hardly exceeds it.
    /// </summary>
    /// <param name="onlyFirst">b: pairs discordant one way.</param>
    /// <param name="onlySecond">c: pairs discordant the other way.</param>
    /// <returns>p in (0, 1]; the smallest positive double where it lies below that.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is negative.</exception>
    public static double McNemarMidP(long onlyFirst, long onlySecond)
    {
        var exact = McNemarExact(onlyFirst, onlySecond);
        var observed = Math.Exp(LogBinomial(Math.Min(onlyFirst, onlySecond), onlyFirst + onlySecond));
        // Two tails of equal counts share the middle once: 2·P(X ≤ k) − P(X = k) = 1.
        return onlyFirst == onlySecond ? 1 : Math.Max(double.Epsilon, exact - observed);
    }

    /// <summary>For instance <c>−12.4 points [−18.0, −6.9], p = 0.0001 (250 pairs)</c>.</summary>
    public override string ToString() => Pairs == 0
        ? "n/a (no pairs)"
        : $"{StatisticsText.Points(Difference)} points [{StatisticsText.Points(LowerDifference)}, {StatisticsText.Points(UpperDifference)}], {StatisticsText.PEquation(PValue)} ({Pairs} pairs)";

    // log of C(n, k)/2ⁿ.
    private static double LogBinomial(long k, long n)
    {
        var log = -n * Math.Log(2);
        for (long i = 1; i <= k; i++) log += Math.Log((double)(n - k + i) / i);
        return log;
    }

    private (double Lower, double Upper) Interval => Newcombe(Both, OnlySecond, OnlyFirst, Neither);

    // Difference (a + b)/n − (a + c)/n of a table with rows of one run and columns of the other.
    private static (double Lower, double Upper) Newcombe(long a, long b, long c, long d)
    {
        double n = a + b + c + d;
        if (n == 0) return (-1, 1);
        double p1 = (a + b) / n, p2 = (a + c) / n;
        var (l1, u1) = BinomialRate.Wilson(a + b, (long)n);
        var (l2, u2) = BinomialRate.Wilson(a + c, (long)n);
        var margins = (double)(a + b) * (c + d) * (a + c) * (b + d);
        var association = (double)a * d - (double)b * c;
        if (association > 0) association = Math.Max(association - n / 2, 0);
        var phi = margins == 0 ? 0 : association / Math.Sqrt(margins);
        double Distance(double x, double y) => Math.Sqrt(Math.Max(0, x * x - 2 * phi * x * y + y * y));
        return (Math.Max(-1, p1 - p2 - Distance(p1 - l1, u2 - p2)), Math.Min(1, p1 - p2 + Distance(u1 - p1, p2 - l2)));
    }
}
