namespace AsFT.Lab;

/// <summary>Mean and sample standard deviation of a number that was measured several times, over seeds for instance.</summary>
/// <param name="Count">Values there are.</param>
/// <param name="Mean">NaN without any.</param>
/// <param name="Deviation">With n − 1; NaN for fewer than two.</param>
public readonly record struct Moments(int Count, double Mean, double Deviation)
{
    internal static Moments Of(IEnumerable<double> values)
    {
        double[] all = [.. values];
        if (all.Length == 0) return new(0, double.NaN, double.NaN);
        var mean = all.Average();
        return new(all.Length, mean, all.Length < 2 ? double.NaN : Math.Sqrt(all.Sum(v => (v - mean) * (v - mean)) / (all.Length - 1)));
    }
}
