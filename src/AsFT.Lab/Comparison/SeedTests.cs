namespace AsFT.Lab.Comparison;

/// <summary>Tests on one number per seed and method, paired by seed. Prompts within a seed share a model and are not independent; seeds are.</summary>
internal static class SeedTests
{
    private const int MaxExact = 22;

    /// <summary>
    /// Exact sign-flip permutation test of the mean difference: the share of all 2ⁿ assignments of signs whose mean is at
    /// least as far from 0. With n seeds p cannot fall below 2^(1−n): five seeds never reach 0.05.
    /// </summary>
    /// <param name="differences">Second minus first, per seed; at most 22.</param>
    /// <returns>Two-sided p; NaN without differences, or for more than 22.</returns>
    public static double SignFlip(IReadOnlyList<double> differences)
    {
        ArgumentNullException.ThrowIfNull(differences);
        var n = differences.Count;
        if (n is 0 or > MaxExact) return double.NaN;
        // The margin keeps the observed assignment and its equals in, whatever the order of summation.
        var observed = Math.Abs(differences.Sum()) - 1e-9 * (1 + differences.Sum(Math.Abs));
        long extreme = 0;
        for (var signs = 0; signs < 1 << n; signs++)
        {
            var sum = 0.0;
            for (var i = 0; i < n; i++) sum += (signs >> i & 1) == 0 ? differences[i] : -differences[i];
            if (Math.Abs(sum) >= observed) extreme++;
        }
        return (double)extreme / (1 << n);
    }

    /// <summary>Paired t test of the mean difference.</summary>
    /// <param name="differences">Second minus first, per seed.</param>
    /// <returns>Two-sided p; NaN for fewer than two and where they do not vary, which leaves t undefined; 1 when all are 0. Right to about 1e-13, not relative to p.</returns>
    public static double PairedT(IReadOnlyList<double> differences)
    {
        ArgumentNullException.ThrowIfNull(differences);
        var n = differences.Count;
        if (n < 2) return double.NaN;
        var (_, mean, deviation) = Moments.Of(differences);
        if (deviation == 0) return mean == 0 ? 1 : double.NaN;
        var t = mean / (deviation / Math.Sqrt(n));
        return StudentTwoSided(t, n - 1);
    }

    // P(|T| ≥ |t|) for whole degrees of freedom, by the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    private static double StudentTwoSided(double t, int freedom)
    {
        var angle = Math.Atan(Math.Abs(t) / Math.Sqrt(freedom));
        var (sine, cosine) = Math.SinCos(angle);
        double inside;
        if (freedom % 2 == 0)
        {
            double term = 1, sum = 1;
            for (var k = 1; k < freedom / 2; k++) sum += term *= cosine * cosine * (2 * k - 1) / (2 * k);
            inside = sine * sum;
        }
        else
        {
            var sum = 0.0;
            if (freedom > 1)
            {
                var term = cosine;
                sum = term;
                for (var k = 1; k < (freedom - 1) / 2; k++) sum += term *= cosine * cosine * (2 * k) / (2 * k + 1);
            }
            inside = 2 / Math.PI * (angle + sine * sum);
        }
        return Math.Clamp(1 - inside, 0, 1);
    }
}
