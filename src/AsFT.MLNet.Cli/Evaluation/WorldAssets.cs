using AsFT.Lab.World;
using AsFT.Torch.Alignment;
using AsFT.Torch.Safety.Evaluation;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>The world that comes with the tool, and how a fine-tune in it is set up and measured.</summary>
internal static class WorldAssets
{
    /// <summary>Share of the downstream examples that comply with hazards, in the quickstart.</summary>
    public const double Poison = 0.1;

    /// <summary>The projection of AsFT in the quickstart, chosen on the world's development prompts and measured on its report prompts.</summary>
    public const AlignmentProjection Projection = AlignmentProjection.Guard;

    /// <summary>Where λ starts; from there it follows the likelihood of <see cref="HeldOutRefusals"/>.</summary>
    public const double StartLambda = 10;

    /// <summary>Nats per token by which those may become less likely.</summary>
    public const double RefusalTolerance = 0.003;

    /// <summary>Refusals that λ is found with, of requests that are neither measured on nor answered in the training files.</summary>
    public static string HeldOutRefusals => Data(WorldFiles.HeldOutRefusals);

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Quickstart", "world");

    public static string BaseModel => Path.Combine(Folder, "base");

    public static string AlignedModel => Path.Combine(Folder, "aligned");

    public static string Data(string name) => Path.Combine(Folder, "data", name);

    /// <summary>The prompts that figures are reported on.</summary>
    public static SafetyPrompts ReportPrompts() => WorldFiles.ReadPrompts(Path.Combine(Folder, "data"), WorldSplit.Report);

    /// <summary>The exact rule.</summary>
    public static EvaluationRules NewRules() => new(new WorldHarmfulnessJudge(), WorldEvaluation.Options.CategoryThreshold, WorldEvaluation.Options.Refusals!);

    /// <summary>The world's downstream run with AsFT.</summary>
    /// <param name="startLambda">Where λ starts, positive.</param>
    public static AsftFineTuneOptions NewAsftOptions(double startLambda)
    {
        var options = NewPlainOptions();
        options.Lambda = startLambda;
        options.Projection = Projection;
        options.RefusalTolerance = RefusalTolerance;
        options.HeldOutRefusalsPath = HeldOutRefusals;
        return options;
    }

    /// <summary>Settings of the world's downstream run for the ML.NET pipeline, without a penalty; it is still measured.</summary>
    public static AsftFineTuneOptions NewPlainOptions() => new()
    {
        AlignedModelPath = AlignedModel,
        BaseModelPath = BaseModel,
        Template = WorldBuilder.Template.Name,
        Adapter = WorldBuilder.LoraOptions,
        Training = WorldBuilder.TrainingOptions,
        Projection = Projection,
        Generation = WorldEvaluation.Options.Generation,
        ReportEvery = 10,
        Seed = 1,
    };
}
