using AsFT.MLNet.Benchmarks.Harness.Children;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Timing;
using AsFT.MLNet.Benchmarks.Harness.Workloads;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>Loading a sharded bfloat16 checkpoint of TinyLlama's shape.</summary>
internal sealed class LoadingBenchmark : Benchmark
{
    private const double Goal = 0.7, PeakGoal = 1.15;

    public override string Name => "loading";

    public override string Description => "loading a sharded bfloat16 checkpoint against reading and converting it, and its peak memory";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var config = context.Settings.Layers is { } layers ? LlamaShapes.TinyLlama(layers) : context.Settings.IsLong ? LlamaShapes.TinyLlama() : LlamaShapes.TinyLlama(4);
        using var folder = new ScratchFolder(context.Settings);
        var model = folder.Sub("model");
        RandomCheckpoint.Write(model, config);
        var placement = context.Settings.Placement;
        var figures = ChildTasks.Read<LoadingFigures>(context.RunChild(ChildTasks.Loading, model, placement.Device.ToString(), $"{placement.DType}".ToLowerInvariant()));
        var timed = new Comparison([.. figures.LoadSeconds.Select((load, i) => new[] { load, figures.ReadSeconds[i] + figures.ConvertSeconds[i] })]);
        var what = $"loading {LlamaShapes.ParameterCount(config) / 1e9:0.00}B weights, bfloat16 to {placement.DType}";
        yield return new BenchRow(what, figures.Bytes / timed.Seconds(0) / 1e9, figures.Bytes / timed.Seconds(1) / 1e9, timed.Ratio(1, 0),
            "≥ 0.7 of reading and converting", timed.Ratio(1, 0) >= Goal, Median(figures.ReadSeconds) / timed.Seconds(0), "GB/s")
        {
            Spread = timed.Spread(1, 0),
            Note = $"{timed.Rounds} rounds, files {(figures.IsCold ? "from disk" : "from the system's cache")}; the limit is reading alone, {figures.Bytes / Median(figures.ReadSeconds) / 1e9:0.00} GB/s, converting alone {figures.Bytes / Median(figures.ConvertSeconds) / 1e9:0.00} GB/s",
        };
        if (!ProcessMemory.IsKnown || placement.Device.type != TorchSharp.DeviceType.CPU) yield break;
        // The runtime and libtorch are there with any model; beside 4.4 GB of weights they do not count, beside few they would.
        var grown = figures.Peak - figures.ResidentBefore;
        var ratio = (double)grown / figures.WeightBytes;
        yield return new BenchRow($"{what}: peak memory", grown / 1e6, figures.WeightBytes / 1e6, ratio, "≤ 1.15 × resident weights", ratio <= PeakGoal, null, "MB")
        {
            Note = $"above the {figures.ResidentBefore / 1e6:0} MB that the process had before; {(double)figures.Peak / figures.WeightBytes:0.00}× with them",
        };
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
