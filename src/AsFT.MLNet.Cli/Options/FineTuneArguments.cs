using System.CommandLine;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Cli.Options;

/// <summary>The command-line form of <see cref="AsftFineTuneOptions"/>; defaults are that class's own.</summary>
internal sealed class FineTuneArguments
{
    private static readonly AsftFineTuneOptions Defaults = new();

    private static readonly Dictionary<string, AlignmentProjection> Projections =
        Enum.GetValues<AlignmentProjection>().ToDictionary(value => Failure.KebabCase(value.ToString()), StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<string, LearningRateSchedule> Schedules =
        Enum.GetValues<LearningRateSchedule>().ToDictionary(value => Failure.KebabCase(value.ToString()), StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<string, OverlongRows> Overlongs =
        Enum.GetValues<OverlongRows>().ToDictionary(value => Failure.KebabCase(value.ToString()), StringComparer.OrdinalIgnoreCase);

    private readonly Option<string?> _preset = new Option<string?>("--preset") { Description = "Named options to start from, which every option given beside it overrides: guard holds what alignment wrote to and finds lambda from --refusals; paper has all published values" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, [.. AsftFineTuneOptions.Presets]);

    private readonly List<Action<ToolRun, AsftFineTuneOptions>> _assignments = [];
    private readonly List<Option> _options = [];
    private Option<string?> _refusals = null!;

    public FineTuneArguments()
    {
        _options.Add(_preset);
        AddModelOptions();
        AddPenaltyOptions();
        AddTrainingOptions();
        AddRuntimeOptions();
    }

    /// <summary>Library property to command-line option, where the words differ.</summary>
    public static IReadOnlyDictionary<string, string> OptionNames { get; } = new Dictionary<string, string>
    {
        [nameof(AsftFineTuneOptions.AlignedModelPath)] = "--aligned",
        [nameof(AsftFineTuneOptions.BaseModelPath)] = "--base",
        [nameof(AsftFineTuneOptions.DirectionPath)] = "--direction",
        [nameof(AsftFineTuneOptions.LearningRate)] = "--lr",
        [nameof(AsftFineTuneOptions.MaxSequenceLength)] = "--max-length",
        [nameof(AsftFineTuneOptions.DType)] = "--dtype",
        [nameof(AsftFineTuneOptions.UseRsLora)] = "--rslora",
        [nameof(AsftFineTuneOptions.HeldOutRefusalsPath)] = "--held-out-refusals",
        [nameof(AsftFineTuneOptions.UnprotectedLayers)] = "--unprotected",
        [nameof(TrainingOptions.PenaltyWeight)] = "--lambda",
    };

    public void AddTo(Command command)
    {
        foreach (var option in _options) command.Options.Add(option);
    }

    /// <summary>What the user typed, over the preset's values or the library's defaults.</summary>
    /// <exception cref="ArgumentException">The preset needs an option that is not given.</exception>
    public AsftFineTuneOptions Read(ToolRun run)
    {
        var options = run.Get(_preset)?.ToLowerInvariant() switch
        {
            null => new AsftFineTuneOptions(),
            "paper" => AsftFineTuneOptions.Paper(),
            "guard" => AsftFineTuneOptions.Guard(run.Get(_refusals) is { Length: > 0 } refusals ? refusals
                : throw new ArgumentException("--preset guard needs --refusals FILE: a few dozen harmful requests and how the aligned model refuses them, not trained on. Without such a file: --projection guard --lambda 12, a fixed weight.")),
            var name => throw new ArgumentException($"--preset {name}: it is one of {string.Join(", ", AsftFineTuneOptions.Presets)}."),
        };
        options.CancellationToken = run.CancellationToken;
        foreach (var assign in _assignments) assign(run, options);
        return options;
    }

    private void AddModelOptions()
    {
        Add<string>("--aligned", "Folder of the aligned model that is fine-tuned", (o, v) => o.AlignedModelPath = v, isRequired: true, helpName: "DIR");
        Add<string?>("--base", "Folder of the base model of the same shape; the alignment direction is aligned - base", (o, v) => o.BaseModelPath = v, helpName: "DIR");
        Add<string?>("--direction", "A saved alignment direction, instead of --base", (o, v) => o.DirectionPath = v, helpName: "FILE");
        Add("--template", $"Chat template: auto (the model's own), {string.Join(", ", ChatTemplates.Names)}, or the name of one in the model's folder", (o, v) => o.Template = v!, Defaults.Template, helpName: "NAME");
        Add("--rank", "LoRA rank r", (o, v) => o.Rank = v, Defaults.Rank);
        Add("--alpha", "LoRA scale numerator", (o, v) => o.Alpha = v, Defaults.Alpha);
        Add("--dropout", "LoRA dropout, in [0, 1)", (o, v) => o.Dropout = v, Defaults.Dropout);
        AddList("--target-modules", "Linear layers to adapt, with commas between: names, suffixes, or all-linear", (o, v) => o.TargetModules = v, Defaults.TargetModules);
        Add("--rslora", "Scale by alpha/sqrt(r) instead of alpha/r", (o, v) => o.UseRsLora = v, Defaults.UseRsLora);
    }

    private void AddPenaltyOptions()
    {
        Add("--lambda", "Weight of the alignment penalty, at least 0", (o, v) => o.Lambda = v, Defaults.Lambda);
        AddChoice("--projection", "What the penalty leaves free, or, with guard, what it holds", [.. Projections.Keys], Failure.KebabCase(Defaults.Projection.ToString()), (o, v) => o.Projection = Projections[v]);
        Add<int?>("--subspace-rank", "k of the subspace projection; left out: as many as --subspace-energy needs", (o, v) => o.SubspaceRank = v);
        Add("--subspace-energy", "Share of the direction's squared norm that the subspace holds, in (0, 1]", (o, v) => o.SubspaceEnergy = v, Defaults.SubspaceEnergy);
        Add("--guard-power", "How much harder the guard projection holds what alignment wrote to most, from 1 to 4", (o, v) => o.GuardPower = v, Defaults.GuardPower);
        Add<double?>("--refusal-tolerance", "Find lambda during training, from --lambda: nats per token by which the held-out refusals may become less likely (0.003 is a good first choice)", (o, v) => o.RefusalTolerance = v);
        Add<int?>("--refusal-check-every", "Optimizer steps between two looks at the held-out refusals; left out: 32 looks a run", (o, v) => o.RefusalCheckEvery = v);
        Add<string?>("--held-out-refusals", "Instruction file of a few dozen refusals that are not trained on, for --refusal-tolerance", (o, v) => o.HeldOutRefusalsPath = v, helpName: "FILE");
        _refusals = (Option<string?>)_options[^1];
        _refusals.Aliases.Add("--refusals");
        Add("--include-lora-scale", "The penalty sees the update times alpha/r", (o, v) => o.IncludeLoraScale = v, Defaults.IncludeLoraScale);
        AddList("--unprotected", "Adapted layers that may go without an alignment direction", (o, v) => o.UnprotectedLayers = v, Defaults.UnprotectedLayers);
    }

    private void AddTrainingOptions()
    {
        Add("--epochs", "Passes over the data", (o, v) => o.Epochs = v, Defaults.Epochs);
        Add("--batch-size", "Examples per optimizer step", (o, v) => o.BatchSize = v, Defaults.BatchSize);
        Add<int?>("--micro-batch-size", "Examples per forward pass; left out: the whole batch", (o, v) => o.MicroBatchSize = v);
        Add("--activation-checkpointing", "Compute activations again for the gradient instead of keeping them: less memory, a third more time", (o, v) => o.ActivationCheckpointing = v, Defaults.ActivationCheckpointing);
        Add<int?>("--max-steps", "Optimizer steps at most; left out: all epochs", (o, v) => o.MaxSteps = v);
        Add("--lr", "Peak learning rate", (o, v) => o.LearningRate = v, Defaults.LearningRate);
        AddChoice("--schedule", "How the learning rate changes", [.. Schedules.Keys], Failure.KebabCase(Defaults.Schedule.ToString()), (o, v) => o.Schedule = Schedules[v]);
        Add("--epoch-decay", "Factor per epoch of the step-per-epoch schedule", (o, v) => o.EpochDecay = v, Defaults.EpochDecay);
        Add("--warmup-ratio", "Share of the steps over which the rate rises, in [0, 1)", (o, v) => o.WarmupRatio = v, Defaults.WarmupRatio);
        Add("--weight-decay", "AdamW's weight decay", (o, v) => o.WeightDecay = v, Defaults.WeightDecay);
        Add<double?>("--max-gradient-norm", "Largest gradient norm; left out: not clipped", (o, v) => o.MaxGradientNorm = v);
        Add<int?>("--max-length", "Tokens per example at most; left out: the model's positions", (o, v) => o.MaxSequenceLength = v);
        AddChoice("--overlong", "What is done with longer examples: truncate (their ending is not learnt), drop or refuse", [.. Overlongs.Keys], Failure.KebabCase(Defaults.Overlong.ToString()), (o, v) => o.Overlong = Overlongs[v]);
        Add("--strict-rows", "An example without an answer, or whose prompt alone fills the length, is an error instead of being left out", (o, v) => o.StrictRows = v, Defaults.StrictRows);
        Add("--validation-fraction", "Share of the examples kept for validation, in [0, 1)", (o, v) => o.ValidationFraction = v, Defaults.ValidationFraction);
        Add<int?>("--early-stopping-patience", "Epochs without a better validation loss before the run stops; left out: never", (o, v) => o.EarlyStoppingPatience = v);
        Add<string?>("--checkpoint-folder", "Folder for training checkpoints; left out: none", (o, v) => o.CheckpointFolder = v, helpName: "DIR");
        Add<int?>("--checkpoint-every", "Steps between training checkpoints; left out: each epoch", (o, v) => o.CheckpointEvery = v);
        Add("--resume", "Go on from the training checkpoint in --checkpoint-folder", (o, v) => o.Resume = v, Defaults.Resume);
        Add("--report-every", "Steps between progress reports, after the first step", (o, v) => o.ReportEvery = v, Defaults.ReportEvery);
    }

    private void AddRuntimeOptions()
    {
        Add("--device", "auto, cpu, cuda, cuda:N or mps", (o, v) => o.Device = v, "auto");
        AddChoice("--dtype", "Number format of the frozen weights", DeviceOptions.DTypes, Defaults.DType, (o, v) => o.DType = v.ToLowerInvariant());
        Add("--seed", "Seed of everything random", (o, v) => o.Seed = v, HostDefaults.DefaultSeed);
        Add<string?>("--adapter-model-name", "What adapter_config.json names as the model below, for PEFT: a name on the Hub, or a path; left out: the model's name", (o, v) => o.AdapterModelName = v, helpName: "NAME");
        Add("--save-whole-model", "model.zip carries the model folder itself, not a reference to it", (o, v) => o.SaveWholeModel = v, Defaults.SaveWholeModel);
    }

    private void Add<T>(string name, string description, Action<AsftFineTuneOptions, T> assign, T? value = default, bool isRequired = false, string? helpName = null)
    {
        var option = new Option<T>(name) { Description = description, Required = isRequired };
        if (helpName is not null) option.HelpName = helpName;
        if (value is not (null or false)) option.DefaultValueFactory = _ => value;
        _options.Add(option);
        // What was not typed stays as the preset, or the library, has it.
        _assignments.Add((run, target) =>
        {
            if (run.Parse.GetResult(option) is { Implicit: false }) assign(target, run.Get(option));
        });
    }

    private void AddChoice(string name, string description, string[] values, string value, Action<AsftFineTuneOptions, string> assign)
    {
        Add(name, description, assign, value);
        ((Option<string>)_options[^1]).AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, values);
    }

    private void AddList(string name, string description, Action<AsftFineTuneOptions, string[]> assign, string[] value) =>
        Add<string>(name, description, (target, text) => assign(target, (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)), string.Join(',', value));
}
