using System.Diagnostics;
using TorchSharp;

namespace AsFT.MLNet.Benchmarks.Harness.Timing;

/// <summary>
/// Times contenders in one process, in turns (A B, B A, A B, …), so that a machine that slows down slows all of them. Fast
/// ones are repeated within a turn until the clock's own cost does not show.
/// </summary>
internal static class SideBySide
{
    private const int LeastRounds = 3, MostRounds = 101;
    private const double SecondsPerTurn = 0.02;

    public static Comparison Run(DeviceClock clock, double seconds, CancellationToken cancellationToken, params Action[] contenders)
    {
        var repeats = contenders.Select(contender => Repeats(clock, contender)).ToArray();
        var rounds = new List<double[]>();
        var start = Stopwatch.GetTimestamp();
        while (rounds.Count < LeastRounds || rounds.Count < MostRounds && Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var round = new double[contenders.Length];
            for (var i = 0; i < contenders.Length; i++)
            {
                var turn = rounds.Count % 2 == 0 ? i : contenders.Length - 1 - i;
                round[turn] = Once(clock, contenders[turn], repeats[turn]);
            }
            rounds.Add(round);
        }
        return new Comparison(rounds);
    }

    // The first call pays for allocation and compilation; the second tells how long one takes. A slow one is warm after its first.
    private static int Repeats(DeviceClock clock, Action contender)
    {
        var once = Once(clock, contender, 1);
        if (once > 1) return 1;
        once = Math.Min(Once(clock, contender, 1), Once(clock, contender, 1));
        return Math.Clamp((int)(SecondsPerTurn / Math.Max(once, 1e-7)), 1, 10_000);
    }

    private static double Once(DeviceClock clock, Action contender, int repeats) => clock.Seconds(() =>
    {
        for (var i = 0; i < repeats; i++)
        {
            using var scope = torch.NewDisposeScope();
            contender();
        }
    }) / repeats;
}

/// <summary>Seconds of each contender in each round.</summary>
internal sealed class Comparison(IReadOnlyList<double[]> rounds)
{
    public int Rounds => rounds.Count;

    /// <summary>Median seconds of a contender.</summary>
    public double Seconds(int contender) => Quantile([.. rounds.Select(round => round[contender])], 0.5);

    /// <summary>Median over the rounds of one contender's time over another's.</summary>
    public double Ratio(int numerator, int denominator) => Quantile(Ratios(numerator, denominator), 0.5);

    /// <summary>Quartiles of the same.</summary>
    public Spread Spread(int numerator, int denominator)
    {
        var ratios = Ratios(numerator, denominator);
        return new(Quantile(ratios, 0.25), Quantile(ratios, 0.75));
    }

    private double[] Ratios(int numerator, int denominator) => [.. rounds.Select(round => round[numerator] / round[denominator])];

    private static double Quantile(double[] values, double share)
    {
        Array.Sort(values);
        var at = share * (values.Length - 1);
        var (low, high) = ((int)Math.Floor(at), (int)Math.Ceiling(at));
        return values[low] + (at - low) * (values[high] - values[low]);
    }
}
