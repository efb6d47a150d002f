using System.Globalization;
using AsFT.MLNet.Benchmarks.Harness.Children;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>LoRA training of TinyLlama's shape with activation checkpointing: does the planner tell the memory it takes?</summary>
internal sealed class MemoryBenchmark : Benchmark
{
    private const double Tolerance = 0.15, MostBytes = 14.0 * (1L << 30);

    public override string Name => "memory";

    public override string Description => "memory of training the 1.1B shape with activation checkpointing against its plan";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var (settings, placement) = (context.Settings, context.Settings.Placement);
        if (!ProcessMemory.IsKnown || placement.Device.type != TorchSharp.DeviceType.CPU) yield break;
        var layers = settings.Layers ?? (settings.IsLong ? LlamaShapes.TinyLlama().LayerCount : 2);
        var (batch, sequence) = (settings.Batch ?? 4, settings.Sequence ?? 256);
        using var folder = new ScratchFolder(settings);
        var (aligned, baseline) = (folder.Sub("aligned"), folder.Sub("base"));
        var config = LlamaShapes.TinyLlama(layers);
        RandomCheckpoint.Write(aligned, config);
        // Of the base model only what the direction is made of.
        long queries = config.HeadCount * config.HeadSize, keys = config.KeyValueHeadCount * config.HeadSize;
        RandomCheckpoint.Write(baseline, [.. Enumerable.Range(0, layers).SelectMany(i => new (string, long[])[]
        {
            ($"model.layers.{i}.self_attn.q_proj.weight", [queries, config.HiddenSize]), ($"model.layers.{i}.self_attn.v_proj.weight", [keys, config.HiddenSize]),
        })], seed: 2);
        var figures = ChildTasks.Read<TrainingFigures>(context.RunChild(ChildTasks.Training, aligned, baseline, Text(batch), Text(sequence), bool.TrueString,
            placement.Device.ToString(), $"{placement.DType}".ToLowerInvariant()));
        var ratio = (double)figures.Peak / figures.PlannedBytes;
        yield return new BenchRow($"LoRA training of {LlamaShapes.ParameterCount(config) / 1e9:0.00}B weights, {batch} × {sequence} tokens, activation checkpointing: peak memory",
            figures.Peak / (double)(1L << 30), figures.PlannedBytes / (double)(1L << 30), ratio, "plan right within 15 %, < 14 GiB",
            Math.Abs(ratio - 1) <= Tolerance && figures.Peak < MostBytes, null, "GiB")
        {
            Note = $"{figures.SecondsPerStep:0.0} s per step; planned {figures.Plan}",
        };
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
