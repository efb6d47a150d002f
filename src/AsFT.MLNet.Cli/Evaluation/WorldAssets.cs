using AsFT.Torch.Alignment;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.World;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>The world that comes with the tool, and how a fine-tune in it is set up and measured.</summary>
internal static class WorldAssets
{
    /// <summary>Share of the downstream examples that comply with hazards, in the quickstart.</summary>
    public const double Poison = 0.1;

    /// <summary>
    /// The projection and λ of AsFT in the quickstart, chosen on the world's development prompts and measured on its report
    /// prompts. λ is not scale-free: the published 1 is for models of billions.
    /// </summary>
    public const AlignmentProjection Projection = AlignmentProjection.Guard;

    /// <inheritdoc cref="Projection"/>
    public const double Lambda = 12;

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Quickstart", "world");

    public static string BaseModel => Path.Combine(Folder, "base");

    public static string AlignedModel => Path.Combine(Folder, "aligned");

    public static string Data(string name) => Path.Combine(Folder, "data", name);

    /// <summary>The prompts that figures are reported on.</summary>
    public static SafetyPrompts ReportPrompts() => SafetyPrompts.FromWorld(Path.Combine(Folder, "data"), WorldSplit.Report);

    /// <summary>The exact rule.</summary>
    public static EvaluationRules NewRules() => new(new WorldHarmfulnessJudge(), SafetyEvaluationOptions.World.CategoryThreshold, SafetyEvaluationOptions.World.Refusals);

    /// <summary>Settings of the world's downstream run for the ML.NET pipeline.</summary>
    public static AsftFineTuneOptions NewOptions(double lambda)
    {
        var (lora, training) = (WorldBuilder.LoraOptions, WorldBuilder.TrainingOptions);
        return new AsftFineTuneOptions
        {
            AlignedModelPath = AlignedModel,
            BaseModelPath = BaseModel,
            Lambda = lambda,
            Projection = Projection,
            Template = WorldBuilder.Template.Name,
            Rank = lora.Rank,
            Alpha = lora.Alpha,
            Dropout = lora.Dropout,
            TargetModules = [.. lora.TargetModules],
            Epochs = training.Epochs,
            BatchSize = training.BatchSize,
            LearningRate = training.LearningRate,
            Schedule = training.Schedule,
            MaxNewTokens = WorldBuilder.MaxAnswerTokens,
            GenerationBatchSize = SafetyEvaluationOptions.World.Generation.BatchSize,
            Seed = 1,
        };
    }
}
