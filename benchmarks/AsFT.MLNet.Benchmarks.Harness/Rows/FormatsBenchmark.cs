using System.Globalization;
using AsFT.MLNet.Benchmarks.Harness.Children;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>LoRA training with activation checkpointing of shapes with other vocabularies, norms and caps than Llama's, their weights in bfloat16, in 8 and in 4 bits: does the planner tell the memory?</summary>
internal sealed class FormatsBenchmark : Benchmark
{
    private const double Tolerance = 0.15;

    public override string Name => "formats";

    public override string Description => "memory of training Qwen2 and Gemma 2 shapes of 1.1B in bfloat16, int8 and nf4 against its plan";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var settings = context.Settings;
        if (!ProcessMemory.IsKnown || settings.Placement.Device.type != TorchSharp.DeviceType.CPU) yield break;
        var (batch, sequence) = (settings.Batch ?? 2, settings.Sequence ?? 128);
        foreach (var (name, shape) in new (string, Func<int?, string>)[] { ("Qwen2", FamilyShapes.Qwen2), ("Gemma 2", FamilyShapes.Gemma2) })
        {
            using var folder = new ScratchFolder(settings);
            var (aligned, baseline) = (folder.Sub("aligned"), folder.Sub("base"));
            var config = FamilyShapes.Write(aligned, shape(settings.Layers ?? (settings.IsLong ? null : 2)));
            RandomCheckpoint.Write(aligned, config);
            // Of the base model only what the direction is made of.
            long queries = config.HeadCount * config.HeadSize, keys = config.KeyValueHeadCount * config.HeadSize;
            RandomCheckpoint.Write(baseline, [.. Enumerable.Range(0, config.LayerCount).SelectMany(i => new (string, long[])[]
            {
                ($"model.layers.{i}.self_attn.q_proj.weight", [queries, config.HiddenSize]), ($"model.layers.{i}.self_attn.v_proj.weight", [keys, config.HiddenSize]),
            })], seed: 2);
            var count = FamilyShapes.NumberCount(config);
            foreach (var format in Enum.GetValues<WeightFormat>())
            {
                var figures = ChildTasks.Read<TrainingFigures>(context.RunChild(ChildTasks.Training, aligned, baseline, Text(batch), Text(sequence), bool.TrueString,
                    settings.Placement.Device.ToString(), "bfloat16", format.ToString()));
                var ratio = (double)figures.Peak / figures.PlannedBytes;
                yield return new BenchRow($"LoRA training of {count / 1e9:0.00}B {name} weights in {(format == WeightFormat.Dense ? "bfloat16" : format.ToString())}, {batch} × {sequence} tokens, activation checkpointing: peak memory",
                    figures.Peak / (double)(1L << 30), figures.PlannedBytes / (double)(1L << 30), ratio, "plan right within 15 %", Math.Abs(ratio - 1) <= Tolerance, null, "GiB")
                {
                    Note = $"{figures.SecondsPerStep:0.0} s per step; planned {figures.Plan}",
                };
            }
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
