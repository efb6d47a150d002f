using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What a short training run took.</summary>
/// <param name="PlannedBytes">What the planner told before the start.</param>
/// <param name="Plan">The same by part.</param>
/// <param name="Peak">Peak of resident memory.</param>
/// <param name="SecondsPerStep">Mean over all steps.</param>
internal sealed record TrainingFigures(long PlannedBytes, string Plan, long Peak, double SecondsPerStep);

/// <summary>A few steps of LoRA on q_proj and v_proj with the penalty, from two folders, as a user's run has them.</summary>
internal static class TrainingTask
{
    private const int Steps = 2;

    public static TrainingFigures Run(string alignedFolder, string baseFolder, int batch, int sequence, bool checkpointing, string device, string dtype, WeightFormat format)
    {
        var placement = ComputePlacement.Resolve(device, dtype);
        var config = ModelConfig.Load(alignedFolder);
        var lora = new LoraOptions { Dropout = 0 };
        var options = new TrainingOptions { Epochs = 1, BatchSize = batch, ActivationCheckpointing = checkpointing, MeasureAnchoredShare = false };
        var examples = TrainingWorkload.RandomExamples(Enumerable.Repeat((sequence / 2, sequence - sequence / 2), Steps * batch), config.VocabularySize);
        var plan = MemoryPlan.Of(config, lora, options, new AlignmentPenaltyOptions(), placement, examples, format);

        using var model = CausalLanguageModel.Load(alignedFolder, placement, format);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), lora, seed: 2);
        using var direction = Direction(alignedFolder, baseFolder, adapter);
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);
        var result = new FineTuner(model, adapter, penalty, options).Train(examples);
        return new(plan.Total, plan.ToString(), ProcessMemory.Peak, result.Duration.TotalSeconds / result.Steps);
    }

    private static AlignmentDirection Direction(string alignedFolder, string baseFolder, LoraAdapter adapter)
    {
        using var aligned = ModelCheckpoint.Open(alignedFolder);
        using var baseline = ModelCheckpoint.Open(baseFolder);
        return AlignmentDirection.Build(aligned, baseline, [.. adapter.Layers.Select(layer => layer.Name)]);
    }
}
