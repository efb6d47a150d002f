using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Timing;

namespace AsFT.MLNet.Benchmarks.Harness;

/// <summary>Runs a task of <see cref="Children.ChildTasks"/> in a process of its own and returns what it printed.</summary>
/// <param name="arguments">Name of the task and its arguments.</param>
public delegate string ChildRunner(IReadOnlyList<string> arguments);

/// <summary>What benchmarks are given.</summary>
internal sealed class BenchContext(BenchSettings settings, DeviceClock clock, Ceilings ceilings, ChildRunner child, CancellationToken cancellationToken)
{
    public BenchSettings Settings => settings;

    public DeviceClock Clock => clock;

    public Ceilings Ceilings => ceilings;

    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>Runs a task in a process of its own, where peak memory is the task's alone.</summary>
    public string RunChild(params string[] arguments) => child(arguments);

    /// <summary>Times contenders side by side within the settings' time.</summary>
    public Comparison Compare(params Action[] contenders) => SideBySide.Run(clock, settings.SecondsPerComparison, cancellationToken, contenders);

    /// <summary>The same, within a share of the settings' time.</summary>
    public Comparison Compare(double share, params Action[] contenders) => SideBySide.Run(clock, share * settings.SecondsPerComparison, cancellationToken, contenders);
}
