namespace AsFT.MLNet.Benchmarks.Harness;

/// <summary>A family of rows that share a workload.</summary>
internal abstract class Benchmark
{
    /// <summary>Short name, for <c>--only</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What is measured against what, in one line.</summary>
    public abstract string Description { get; }

    /// <summary>Measures; rows come as they are done.</summary>
    public abstract IEnumerable<BenchRow> Measure(BenchContext context);
}
