namespace AsFT.MLNet.Benchmarks.Harness;

/// <summary>One line of the result.</summary>
/// <param name="Name">What was measured, with its shape.</param>
/// <param name="Ours">Our figure, in <paramref name="Unit"/>.</param>
/// <param name="Against">The figure it is compared with, in the same unit.</param>
/// <param name="Ratio">What <paramref name="Goal"/> speaks of, usually one of the two over the other; median over interleaved rounds.</param>
/// <param name="Goal">The goal in words.</param>
/// <param name="Met">Whether it is met; null where the row has no goal.</param>
/// <param name="ShareOfLimit">Share of what the machine can do at most, in [0, 1]; null where no limit was measured.</param>
/// <param name="Unit">Unit of <paramref name="Ours"/> and <paramref name="Against"/>.</param>
public sealed record BenchRow(string Name, double Ours, double Against, double Ratio, string Goal, bool? Met, double? ShareOfLimit, string Unit)
{
    /// <summary>Quartiles of the ratio over the rounds, as (low, high); null for what is counted, not timed.</summary>
    public Spread? Spread { get; init; }

    /// <summary>What the figures mean, and why a goal is missed.</summary>
    public string Note { get; init; } = "";
}

/// <summary>First and third quartile.</summary>
/// <param name="Low">First quartile.</param>
/// <param name="High">Third quartile.</param>
public sealed record Spread(double Low, double High);
