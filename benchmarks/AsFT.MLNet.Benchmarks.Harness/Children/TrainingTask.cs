using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What a short training run took.</summary>
/// <param name="PlannedBytes">What the planner told before the start.</param>
/// <param name="Plan">The same by part.</param>
/// <param name="Peak">Peak of resident memory.</param>
/// <param name="SecondsPerStep">Mean over all steps.</param>
internal sealed record TrainingFigures(long PlannedBytes, string Plan, long Peak, double SecondsPerStep);

/// <summary>Trains TinyLlama's shape with activation checkpointing.</summary>
internal static class TrainingTask
{
    private const int Steps = 2;

    public static TrainingFigures Run(int layers, int batch, int sequence, string device, string dtype)
    {
        using var scope = NewDisposeScope();
        var placement = ComputePlacement.Resolve(device, dtype);
        var config = LlamaShapes.TinyLlama(layers);
        var lora = new LoraOptions { Dropout = 0 };
        var options = new TrainingOptions { Epochs = 1, BatchSize = batch, ActivationCheckpointing = true, MeasureAnchoredShare = false };
        var examples = TrainingWorkload.RandomExamples(Enumerable.Repeat((sequence / 2, sequence - sequence / 2), Steps * batch), config.VocabularySize);
        var plan = MemoryPlan.Of(config, lora, options, new AlignmentPenaltyOptions(), placement, examples);

        using var model = CausalLanguageModel.Create(config, placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), lora, seed: 2);
        using var direction = TrainingWorkload.RandomDirection(adapter.Layers);
        // Making a random direction takes more memory for a moment than reading a real one.
        ProcessMemory.TryResetPeak();
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);
        var result = new FineTuner(model, adapter, penalty, options).Train(examples);
        return new(plan.Total, plan.ToString(), ProcessMemory.Peak, result.Duration.TotalSeconds / result.Steps);
    }
}
