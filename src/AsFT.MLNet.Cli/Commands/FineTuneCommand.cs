using System.CommandLine;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Alignment;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft finetune</c>: an instruction file through an ML.NET pipeline, into a folder.</summary>
internal sealed class FineTuneCommand : ToolCommand
{
    private readonly FineTuneArguments _arguments = new();
    private readonly InstructionFileArguments _fields = new();
    private readonly Option<string> _data = new("--data") { HelpName = "FILE", Description = "Instruction file: JSON or JSONL with instruction, input, output", Required = true };
    private readonly Option<string?> _validationData = new("--validation-data") { HelpName = "FILE", Description = "Instruction file to measure the validation loss on" };
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "Folder for model.zip, adapter/ and training.json", Required = true };

    private readonly ForceOption _force = new();

    public FineTuneCommand() : base("finetune", "Fine-tune an aligned model with LoRA and the AsFT alignment penalty")
    {
        Options.Add(_data);
        Options.Add(_validationData);
        Options.Add(_out);
        Options.Add(_force);
        _arguments.AddTo(this);
        _fields.AddTo(this);
    }

    public override IReadOnlyDictionary<string, string> OptionNames => _arguments.Words;

    protected override int Run(ToolRun run)
    {
        var options = _arguments.Read(run);
        options.PresetWords = ("--preset guard --refusals FILE", "--preset paper");
        MemoryPlan? plan = null;
        options.StageBegun = run.Note;
        options.MemoryPlanned = (planned, _) => run.Note($"Memory: {(plan = planned)}");
        // training.json tells what was drawn with.
        var seed = options.Seed ??= HostDefaults.DefaultSeed;
        var ml = Pipelines.NewContext(run, seed);
        // All that can be wrong is told before the first model is read.
        var estimator = Pipelines.NewEstimator(ml, options);
        var train = _fields.Load(run, ml, run.Get(_data));
        var validation = run.Get(_validationData) is { } file ? _fields.Load(run, ml, file) : null;

        using var folder = OutputFolder.Claim(run, run.Get(_out), run.Get(_force), ["model.zip", "adapter", "training.json"], goesOn: options.Resume);
        using var checkpoints = options.CheckpointFolder is { } kept ? OutputFolder.Reserve(kept) : null;
        using var tuned = Pipelines.Fit(run, estimator, train, validation, "Fine-tuning");
        run.CancellationToken.ThrowIfCancellationRequested();
        var adapter = folder.Path("adapter");
        var modelFile = folder.Path("model.zip");
        run.Note($"Writing '{folder.FullPath}'");
        // Before the new adapter comes: beside an older run's model it would pass for that one's.
        foreach (var old in new[] { modelFile, folder.Path("training.json") }) File.Delete(old);
        tuned.SaveAdapter(adapter);
        ml.Model.SaveAsft(tuned, train.Schema, modelFile);
        var record = TrainingRecord.Of(tuned.Options, tuned.TrainingResult!);
        AtomicOutput.WriteFile(folder.Path("training.json"), path => File.WriteAllText(path, ToolRun.ToJson(record)));
        folder.Keep();

        var result = record.Result;
        run.Say($"{result.Steps} {(result.Steps == 1 ? "step" : "steps")} in {result.Seconds:0.0} s ({result.TokensPerSecond:0} tokens/s){(result.StoppedEarly ? ", stopped early" : "")}");
        // Without a direction there is nothing to measure against; the isotropic penalty needs none.
        var isMeasured = options.BaseModelPath is not null || options.DirectionPath is not null || options.Projection == AlignmentProjection.None;
        run.Say($"cross-entropy {result.CrossEntropy:0.000}, penalty {(isMeasured ? $"{result.Penalty:0.0000}" : "not measured")}, "
            + $"share of the update in the anchored subspace {(isMeasured && options.Projection != AlignmentProjection.None && !double.IsNaN(result.AnchoredShare) ? $"{result.AnchoredShare:P0} (it holds {result.AnchoredEnergy:P0} of the direction)" : "not measured")}"
            + (options.RefusalTolerance is null ? "" : $", lambda found {result.Lambda:G4} (from {options.Lambda:G4})")
            + (result.ValidationLoss is { } loss ? $", validation loss {loss:0.000}" : ""));
        SayRefusals(run, "asft finetune", result);
        run.Say($"{modelFile}");
        run.Say($"{adapter}");
        run.SayJson(new { model = modelFile, adapter, training = folder.Path("training.json"), plannedBytes = plan?.Total, result });
        return ExitCode.Success;
    }

    /// <summary>Says whether the refusals that λ was found with were held; that they were not, on stderr, so that no output format hides it.</summary>
    internal static void SayRefusals(ToolRun run, string command, TrainingRecord.Summary result)
    {
        if (result.Refusals == RefusalOutcome.NotHeld) run.Console.Error.WriteLine($"{command}: {result.RefusalReport}");
        else if (result.RefusalReport is { } report) run.Say(report);
    }
}
