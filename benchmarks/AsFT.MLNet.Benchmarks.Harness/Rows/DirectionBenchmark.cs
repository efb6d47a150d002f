using AsFT.MLNet.Benchmarks.Harness.Children;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Timing;
using AsFT.MLNet.Benchmarks.Harness.Workloads;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>The alignment direction of two checkpoints with the q_proj and v_proj of a 7B model, from disk.</summary>
internal sealed class DirectionBenchmark : Benchmark
{
    private const int Width = 4096, AllLayers = 32;
    private static readonly string[] Parts = ["q_proj", "v_proj"];
    private const double Goal = 0.7, PeakGoal = 1.5 * (1L << 30);

    public override string Name => "direction";

    public override string Description => "alignment direction of two 7B-shaped checkpoints on disk against reading them";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var layers = context.Settings.Layers ?? (context.Settings.IsLong ? AllLayers : 4);
        using var folder = new ScratchFolder(context.Settings);
        var names = Enumerable.Range(0, layers).SelectMany(i => Parts.Select(part => $"model.layers.{i}.self_attn.{part}.weight"));
        (string, long[])[] tensors = [.. names.Select(name => (name, new long[] { Width, Width }))];
        var (aligned, baseline) = (folder.Sub("aligned"), folder.Sub("base"));
        RandomCheckpoint.Write(aligned, tensors, seed: 1);
        RandomCheckpoint.Write(baseline, tensors, seed: 2);
        var figures = ChildTasks.Read<DirectionFigures>(context.RunChild(ChildTasks.Direction, aligned, baseline));
        var half = figures.Bytes / 2;
        yield return Row("made and let go", figures.PassSeconds, "nothing written");
        yield return Row("into a file of bfloat16", figures.BuildSeconds, Written(1));
        yield return Row("into a file of float32", figures.FullSeconds, Written(2));
        if (!ProcessMemory.IsKnown) yield break;
        // A matrix goes to the file before the next is read: more layers need no more memory.
        yield return new BenchRow($"alignment direction: peak memory of {2 * layers} layers", figures.Peak / (double)(1 << 30), PeakGoal / (1 << 30), figures.Peak / PeakGoal, "< 1.5 GiB", figures.Peak < PeakGoal, null, "GiB")
        {
            Note = $"of the process that builds, {figures.ResidentBefore / 1e6:0} MB of it before; the direction in float32 is {4.0 * Width * Width * 2 * layers / 1e6:0} MB",
        };

        // What the disk takes for the file alone, beside the reading that the goal is about.
        string Written(int times) => $"{times * half / 1e6:0} MB written until the disk has them, which takes {times * figures.WriteSeconds.Order().ElementAt(figures.WriteSeconds.Length / 2):0.00} s alone";

        BenchRow Row(string what, double[] seconds, string written)
        {
            var timed = new Comparison([.. figures.ReadSeconds.Zip(seconds, (read, build) => new[] { read, build })]);
            return new BenchRow($"alignment direction {what}, {2 * layers} × {Width}² of two checkpoints", figures.Bytes / timed.Seconds(1) / 1e9, figures.Bytes / timed.Seconds(0) / 1e9,
                timed.Ratio(0, 1), "≥ 0.7 of sequential reading", timed.Ratio(0, 1) >= Goal, timed.Ratio(0, 1), "GB/s")
            {
                Spread = timed.Spread(0, 1),
                Note = $"{timed.Rounds} rounds, files {(figures.IsCold ? "from disk" : "from the system's cache")}, {figures.Bytes / 1e6:0} MB read in {timed.Seconds(0):0.00} s; {written}",
            };
        }
    }
}
