using System.CommandLine;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Chat;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Cli.Options;

/// <summary>The command-line form of <see cref="AsftFineTuneOptions"/>; defaults are that class's own.</summary>
internal sealed class FineTuneArguments
{
    private readonly Option<string?> _preset = new Option<string?>("--preset") { Description = "Named options to start from, which every option given beside it overrides: guard holds what alignment wrote to and finds lambda from --refusals; paper has all published values" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, [.. AsftFineTuneOptions.Presets]);

    private readonly OptionTable<AsftFineTuneOptions> _table = new(new AsftFineTuneOptions());
    private readonly GenerationArguments _generation = new(isBesideTraining: true);
    private readonly Option<string?> _refusals;

    public FineTuneArguments()
    {
        _table.Add(o => o.AlignedModelPath, "Folder of the aligned model that is fine-tuned", "--aligned", "DIR", isRequired: true);
        _table.Add(o => o.BaseModelPath, "Folder of the base model of the same shape; the alignment direction is aligned - base", "--base", "DIR");
        _table.Add(o => o.DirectionPath, "A saved alignment direction, instead of --base", "--direction", "FILE");
        _table.Add(o => o.Template, $"Chat template: auto (the model's own), {string.Join(", ", ChatTemplates.Names)}, or the name of one in the model's folder", helpName: "NAME");
        _table.Add(o => o.AdapterPath, "PEFT folder of an adapter that is trained further; left out: a new one. Rank, scale and layers are its own", "--adapter", "DIR");
        _table.Add(o => o.AllowOtherModel, "Let the adapter go onto another model of the same shape than the one it was trained on");
        _table.Add(o => o.Rank, "LoRA rank r");
        _table.Add(o => o.Alpha, "LoRA scale numerator");
        _table.Add(o => o.Dropout, "LoRA dropout, in [0, 1)");
        _table.Add(o => o.TargetModules, "Linear layers to adapt, with commas between: names, suffixes, or all-linear");
        _table.Add(o => o.UseRsLora, "Scale by alpha/sqrt(r) instead of alpha/r", "--rslora");

        _table.Add(o => o.Lambda, "Weight of the alignment penalty, at least 0");
        _table.Add(o => o.Projection, "What the penalty leaves free, or, with guard, what it holds");
        _table.Add(o => o.SpectrumRank, "How many singular vectors of the direction are kept per layer: auto (all up to 1,024 outputs, 256 above), all, a number, or the share of its squared norm that they hold", helpName: "RANK");
        _table.Add(o => o.SubspaceRank, "k of the subspace projection; left out: as many as --subspace-energy needs");
        _table.Add(o => o.SubspaceEnergy, "Share of the direction's squared norm that the subspace holds, in (0, 1]");
        _table.Add(o => o.GuardPower, "How much harder the guard projection holds what alignment wrote to most, from 1 to 4");
        _table.Add(o => o.StorageDType, "Number format of the singular vectors, of the direction itself with the flattened projection; left out: the adapter's own", choices: ["bfloat16", "float16", "float32", "float64"]);
        _table.Add(o => o.RefusalTolerance, "Find lambda during training, from --lambda: nats per token by which the held-out refusals may become less likely (0.003 is a good first choice)");
        _table.Add(o => o.RefusalCheckEvery, "Optimizer steps between two looks at the held-out refusals; left out: 32 looks a run");
        _refusals = (Option<string?>)_table.Add(o => o.HeldOutRefusalsPath, "Instruction file of a few dozen refusals that are not trained on, for --refusal-tolerance", "--held-out-refusals", "FILE");
        _refusals.Aliases.Add("--refusals");
        _table.Add(o => o.IncludeLoraScale, "The penalty sees the update times alpha/r");
        _table.Add(o => o.UnprotectedLayers, "Adapted layers that may go without an alignment direction", "--unprotected");
        _table.Add(o => o.MeasureAnchoredShare, "Whether reports tell the share of the update in the anchored subspace");

        _table.Add(o => o.Epochs, "Passes over the data");
        _table.Add(o => o.BatchSize, "Examples per optimizer step");
        _table.Add(o => o.MicroBatchSize, "Examples per forward pass; left out: the whole batch");
        _table.Add(o => o.ActivationCheckpointing, "Compute activations again for the gradient instead of keeping them: less memory, a third more time");
        _table.Add(o => o.MaxSteps, "Optimizer steps at most; left out: all epochs");
        _table.Add(o => o.LearningRate, "Peak learning rate", "--lr");
        _table.Add(o => o.Schedule, "How the learning rate changes");
        _table.Add(o => o.EpochDecay, "Factor per epoch of the step-per-epoch schedule");
        _table.Add(o => o.WarmupRatio, "Share of the steps over which the rate rises from 0, in [0, 1)");
        _table.Add(o => o.WarmupSteps, "Steps over which the rate rises; left out: as --warmup-ratio says");
        _table.Add(o => o.MinLearningRate, "Rate at the end of cosine-with-min-lr, polynomial and warmup-stable-decay; left out: 0, or 1e-7 for polynomial", "--min-lr");
        _table.Add(o => o.NumCycles, "Falls of cosine-with-restarts");
        _table.Add(o => o.Power, "Power of polynomial");
        _table.Add(o => o.Timescale, "Steps in which inverse-sqrt falls to 0.71 of the peak; left out: as many as warm-up has, or 10000");
        _table.Add(o => o.NumDecaySteps, "Steps at the end over which warmup-stable-decay falls; left out: a tenth of the run");
        _table.Add(o => o.WeightDecay, "AdamW's weight decay");
        _table.Add(o => o.Beta1, "AdamW's beta 1, in [0, 1)");
        _table.Add(o => o.Beta2, "AdamW's beta 2, in [0, 1)");
        _table.Add(o => o.Epsilon, "AdamW's epsilon");
        _table.Add(o => o.MaxGradientNorm, "Largest gradient norm; left out: not clipped");
        _table.Add(o => o.Shuffle, "Whether each epoch takes the examples in a new random order");
        _table.Add(o => o.GroupByLength, "Whether shuffled batches hold examples of similar length");
        _table.Add(o => o.MaxSequenceLength, "Tokens per example at most; left out: the model's positions", "--max-length");
        _table.Add(o => o.Overlong, "What is done with longer examples: truncate (their ending is not learnt), drop or refuse");
        _table.Add(o => o.StrictRows, "An example without an answer, or whose prompt alone fills the length, is an error instead of being left out");
        _table.Add(o => o.SupervisedTurns, "Which answers of a conversation with several turns are learnt");
        _table.Add(o => o.ValidationFraction, "Share of the examples kept for validation, in [0, 1)");
        _table.Add(o => o.EarlyStoppingPatience, "Epochs without a better validation loss before the run stops; left out: never");
        _table.Add(o => o.CheckpointFolder, "Folder for training checkpoints; left out: none", helpName: "DIR");
        _table.Add(o => o.CheckpointEvery, "Steps between training checkpoints; left out: each epoch");
        _table.Add(o => o.Resume, "Go on from the training checkpoint in --checkpoint-folder");
        _table.Add(o => o.ReportEvery, "Steps between progress reports, after the first step");

        _table.Add(o => o.Device, "auto, cpu, cuda, cuda:N or mps", shown: "auto");
        _table.Add(o => o.DType, "Number format of the frozen weights", "--dtype", choices: DeviceOptions.DTypes);
        _table.Add(o => o.WeightFormat, DeviceOptions.WeightFormatText);
        _table.Add(o => o.AllowQuantizedDirection, "The alignment direction may come from quantised files; it is mostly noise then");
        _table.Add(o => o.Seed, "Seed of everything random", shown: HostDefaults.DefaultSeed);
        _table.Add(o => o.AdapterModelName, "What adapter_config.json names as the model below it, for PEFT: a name on the Hub, or a path; left out: the model's name", helpName: "NAME");
        _table.Add(o => o.SaveWholeModel, "model.zip carries the model folder itself, not a reference to it");
        // The engine's name of lambda.
        Words = new Dictionary<string, string>(_table.Words.Concat(_generation.Words)) { [nameof(TrainingOptions.PenaltyWeight)] = "--lambda" };
    }

    /// <summary>Properties and the words for them.</summary>
    public IReadOnlyDictionary<string, string> Words { get; }

    public void AddTo(Command command)
    {
        command.Options.Add(_preset);
        _table.AddTo(command);
        _generation.AddTo(command);
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
        _table.Apply(run, options);
        options.Generation = _generation.Read(run, options.Generation);
        return options;
    }
}
