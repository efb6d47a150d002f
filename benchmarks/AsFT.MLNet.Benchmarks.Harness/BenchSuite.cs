using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Rows;
using AsFT.MLNet.Benchmarks.Harness.Timing;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness;

/// <summary>All benchmarks, in order.</summary>
public sealed class BenchSuite
{
    private static readonly Benchmark[] All =
    [
        new PenaltyBenchmark(),
        new StepBenchmark(),
        new EpochBenchmark(),
        new CallsBenchmark(),
        new DirectionBenchmark(),
        new LoadingBenchmark(),
        new MemoryBenchmark(),
        new FormatsBenchmark(),
        new DecodingBenchmark(),
        new TokenizingBenchmark(),
        new GrowthBenchmark(),
    ];

    private readonly BenchSettings _settings;
    private readonly ChildRunner _child;
    private readonly Benchmark[] _chosen;

    /// <param name="settings">What to measure.</param>
    /// <param name="child">Starts a process for <see cref="Children.ChildTasks"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, or <see cref="BenchSettings.Only"/> names nothing.</exception>
    public BenchSuite(BenchSettings settings, ChildRunner child)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(child);
        settings.Validate();
        (_settings, _child) = (settings, child);
        foreach (var name in settings.Only)
            if (!All.Any(benchmark => IsNamed(benchmark, name)))
                throw new ArgumentException($"There is no benchmark '{name}'; known are {string.Join(", ", Names)}.", nameof(settings));
        _chosen = settings.Only.Count == 0 ? All : [.. All.Where(benchmark => settings.Only.Any(name => IsNamed(benchmark, name)))];
    }

    /// <summary>Names that <see cref="BenchSettings.Only"/> takes.</summary>
    public static IReadOnlyList<string> Names => [.. All.Select(benchmark => benchmark.Name)];

    /// <summary>Measures everything that was chosen.</summary>
    /// <param name="machine">Gets the machine and its ceilings before the first row.</param>
    /// <param name="row">Gets each row as soon as it is measured.</param>
    /// <param name="cancellationToken">Checked between measurements.</param>
    public IReadOnlyList<BenchRow> Run(Action<MachineReport> machine, Action<BenchRow> row, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(row);
        using var scope = NewDisposeScope();
        using var clock = DeviceClock.For(_settings.Placement.Device);
        var ceilings = Ceilings.Measure(_settings, clock, cancellationToken);
        machine(MachineReport.Create(_settings, clock, ceilings));
        var context = new BenchContext(_settings, clock, ceilings, _child, cancellationToken);
        var rows = new List<BenchRow>();
        foreach (var benchmark in _chosen)
        {
            using var workload = NewDisposeScope();
            foreach (var measured in benchmark.Measure(context))
            {
                rows.Add(measured);
                row(measured);
            }
            GC.Collect();
        }
        return rows;
    }

    private static bool IsNamed(Benchmark benchmark, string name) => benchmark.Name.Contains(name, StringComparison.OrdinalIgnoreCase);
}
