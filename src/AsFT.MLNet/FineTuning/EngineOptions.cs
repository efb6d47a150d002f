using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Generation;
using AsFT.Torch.Training;

namespace AsFT.MLNet.FineTuning;

/// <summary>The engine's option records, made of the one flat options class that ML.NET users know.</summary>
internal static class EngineOptions
{
    public static LoraOptions Lora(AsftFineTuneOptions options) => new()
    {
        Rank = options.Rank,
        Alpha = options.Alpha,
        Dropout = options.Dropout,
        TargetModules = options.TargetModules,
        UseRsLora = options.UseRsLora,
    };

    public static AlignmentPenaltyOptions Penalty(AsftFineTuneOptions options) => new()
    {
        Projection = options.Projection,
        SubspaceRank = options.SubspaceRank,
        SubspaceEnergy = options.SubspaceEnergy,
        GuardPower = options.GuardPower,
        IncludeLoraScale = options.IncludeLoraScale,
        UnprotectedLayers = options.UnprotectedLayers,
    };

    public static TrainingOptions Training(AsftFineTuneOptions options) => new()
    {
        Epochs = options.Epochs,
        BatchSize = options.BatchSize,
        MicroBatchSize = options.MicroBatchSize,
        ActivationCheckpointing = options.ActivationCheckpointing,
        MaxSteps = options.MaxSteps,
        LearningRate = options.LearningRate,
        Schedule = options.Schedule,
        EpochDecay = options.EpochDecay,
        WarmupRatio = options.WarmupRatio,
        WeightDecay = options.WeightDecay,
        Beta1 = options.Beta1,
        Beta2 = options.Beta2,
        Epsilon = options.Epsilon,
        MaxGradientNorm = options.MaxGradientNorm,
        PenaltyWeight = options.Lambda,
        RefusalTolerance = options.RefusalTolerance,
        RefusalCheckEvery = options.RefusalCheckEvery,
        Shuffle = options.Shuffle,
        GroupByLength = options.GroupByLength,
        Seed = options.Seed ?? HostDefaults.DefaultSeed,
        ReportEvery = options.ReportEvery,
        MeasureAnchoredShare = options.MeasureAnchoredShare,
        EarlyStoppingPatience = options.EarlyStoppingPatience,
        CheckpointFolder = options.CheckpointFolder,
        CheckpointEvery = options.CheckpointEvery,
        Resume = options.Resume,
    };

    public static GenerationOptions Generation(AsftFineTuneOptions options) => new()
    {
        MaxNewTokens = options.MaxNewTokens,
        Temperature = options.Temperature,
        TopP = options.TopP,
        TopK = options.TopK,
        RepetitionPenalty = options.RepetitionPenalty,
        Seed = options.Seed ?? HostDefaults.DefaultSeed,
        StopStrings = options.StopStrings,
        BatchSize = options.GenerationBatchSize,
    };
}
