using AsFT.MLNet.Data;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.FineTuning;

/// <summary>One call of Fit: rows and model folders in, a trained model out.</summary>
internal sealed class FineTuneRun(AsftFineTuneOptions options, ComputePlacement placement, IChannel log, IProgressChannel progress, CancellationToken cancellationToken)
{
    public (FineTunedModel Model, TrainingResult Result) Execute(IDataView train, IDataView? validation)
    {
        var folder = options.AlignedModelPath!;
        var template = ChatTemplates.Load(folder, options.Template);
        options.Template = template.Name;
        // An hour of training must not end in a folder that takes no files.
        if (options.AdapterOutputFolder is not null) OutputProbe.Check(options.AdapterOutputFolder, nameof(options.AdapterOutputFolder));
        if (options.CheckpointFolder is not null) OutputProbe.Check(options.CheckpointFolder, nameof(options.CheckpointFolder));
        var earlier = ReadEarlier();
        var tokenizer = LanguageTokenizer.Load(folder);
        var config = ModelConfig.Load(folder);
        // Rows before weights: a wrong row is found in seconds, not after a model was loaded.
        var rows = ReadRows(train, validation, template, tokenizer, config);
        var refusals = ReadRefusals(template, tokenizer, config);

        CausalLanguageModel? model = null;
        LoraAdapter? adapter = null;
        try
        {
            ReportMemory(config, earlier?.Options ?? options.Adapter, rows.Train);
            // Before the model to train is in memory, so that there is never more than one.
            var baseLoss = refusals is null || options.Projection == AlignmentProjection.None ? null
                : RefusalComparison.LossOf(options.BaseModelPath, placement, options.WeightFormat, refusals.Examples, options.MicroBatchSize ?? options.BatchSize, cancellationToken);
            Stage($"Loading '{folder}' ({placement.Device}, {placement.DType}{(options.WeightFormat == WeightFormat.Dense ? "" : $", weights as {options.WeightFormat}")})");
            model = CausalLanguageModel.Load(folder, placement, options.WeightFormat);
            using var threads = model.UseThreads();
            cancellationToken.ThrowIfCancellationRequested();
            if (baseLoss is { } below) WarnIfSwapped(below, Evaluation.CrossEntropy(model, refusals!.Examples, options.MicroBatchSize ?? options.BatchSize, cancellationToken));
            adapter = Adapter(model, earlier);
            using var direction = Direction(adapter);
            using var penalty = Penalty(direction, adapter);
            // When all that could be wrong was not.
            if (!options.IsPenaltyChosen) log.Warning(MessageSensitivity.None, options.UnchosenPenalty());
            var result = Train(model, adapter, penalty, rows.Train, rows.Validation, refusals?.Examples) with { Rows = rows.Counts, RefusalRows = refusals?.Counts };
            if (rows.ValidationCounts is { } counts) result = result with { ValidationRows = counts };
            if (options.AdapterOutputFolder is not null)
            {
                adapter.Save(options.AdapterOutputFolder, options.NameOfModel());
                Info($"Adapter written to '{options.AdapterOutputFolder}'");
            }
            return (new FineTunedModel(model, tokenizer, template, adapter), result);
        }
        catch
        {
            adapter?.Dispose();
            model?.Dispose();
            throw;
        }
    }

    private EarlierAdapter? ReadEarlier()
    {
        if (options.AdapterPath is not { } path) return null;
        var earlier = EarlierAdapter.Read(options.AlignedModelPath!, path, options.AllowOtherModel);
        earlier.RequireSame(options);
        if (earlier.Doubt is { } doubt) log.Warning(MessageSensitivity.None, doubt);
        return earlier;
    }

    private LoraAdapter Adapter(CausalLanguageModel model, EarlierAdapter? earlier)
    {
        var seed = options.Seed ?? HostDefaults.DefaultSeed;
        var adapter = earlier is null ? LoraAdapter.Attach(model, options.Adapter, seed)
            // The model was compared on its files.
            : LoraAdapter.Load(model, options.AdapterPath!, seed, allowOtherModel: true, options.IsSet(nameof(options.Dropout)) ? options.Dropout : null);
        Info($"{(earlier is null ? "Adapter" : $"Adapter of '{options.AdapterPath}', trained further with a new optimizer")}: rank {adapter.Options.Rank} on {adapter.Layers.Count} layers ({string.Join(", ", adapter.Options.TargetModules)})");
        if (earlier is null && options.TargetModules.Except(adapter.Options.TargetModules).ToList() is { Count: > 0 } parts)
            Info($"{string.Join(", ", parts)}: part of a layer here, which is adapted whole");
        // What is saved tells what was trained.
        if (earlier is not null) options.Adapter = adapter.Options;
        return adapter;
    }

    // Told before the minutes that loading takes, not by the system's out-of-memory killer.
    private void ReportMemory(ModelConfig config, LoraOptions lora, List<TokenizedExample> examples)
    {
        var isMeasured = options.Projection == AlignmentProjection.None || options.BaseModelPath is not null || options.DirectionPath is not null;
        var plan = MemoryPlan.Of(config, lora, options.Training, isMeasured ? options.Penalty : null, placement, examples, options.WeightFormat);
        Info($"Memory: {plan}");
        var available = MachineMemory.Available(placement.Device);
        options.MemoryPlanned?.Invoke(plan, available);
        if (options.Projection == AlignmentProjection.Flattened && plan.Penalty > available)
            throw new InvalidOperationException($"Projection {options.Projection} keeps the whole direction of every adapted layer, {plan.Penalty / 1e9:0.0} GB; {placement.Device} has {available / 1e9:0.0} GB. Adapt fewer layers (TargetModules), keep it in bfloat16 (StorageDType), or take another projection, which keeps a few hundred vectors a layer.");
        if (plan.Total > available)
            log.Warning(MessageSensitivity.None, $"This run needs about {plan.Total / 1e9:0.0} GB at its peak; {placement.Device} has {available / 1e9:0.0} GB. "
                + $"{(options.ActivationCheckpointing ? "" : $"{nameof(options.ActivationCheckpointing)}, a ")}smaller {nameof(options.MicroBatchSize)} or a smaller {nameof(options.MaxSequenceLength)} needs less{(plan.Format == WeightFormat.Dense ? $"; so does {nameof(options.WeightFormat)} {WeightFormat.Int8} or {WeightFormat.Nf4}" : "")}.");
    }

    // Validation rows that are split off are counted with the training rows they were read with.
    private (List<TokenizedExample> Train, List<TokenizedExample>? Validation, RowCounts Counts, RowCounts? ValidationCounts) ReadRows(IDataView train, IDataView? validation, ChatTemplate template, LanguageTokenizer tokenizer, ModelConfig config)
    {
        if (options.MaxSequenceLength > config.MaxPositions)
            throw OptionsCheck.OutOfRange(nameof(options.MaxSequenceLength), options.MaxSequenceLength, $"MaxSequenceLength must be at most {config.MaxPositions}, the positions of the model in '{options.AlignedModelPath}'.");
        var limit = options.MaxSequenceLength ?? config.MaxPositions;
        TrainingRows Read(IDataView data, string what)
        {
            var read = TrainingRows.Read(data, what, options, example => template.Tokenize(tokenizer, example, limit), cancellationToken.ThrowIfCancellationRequested, isTraining: true);
            SayLoss(what, read.Counts);
            return read;
        }
        Stage("Reading the training rows");
        SayColumns(train.Schema);
        var rows = Read(train, "the training data");
        var given = validation is null ? null : Read(validation, "the validation data");
        var (examples, held) = given is null ? TrainingRows.Split(rows.Examples, options.ValidationFraction, options.Seed ?? HostDefaults.DefaultSeed) : (rows.Examples, given.Examples);
        Info($"{examples.Count} training rows, {examples.Sum(example => (long)example.Ids.Length)} tokens{(held is null ? "" : $"; {held.Count} validation rows")}");
        return (examples, held, rows.Counts, given?.Counts);
    }

    private void SayColumns(DataViewSchema schema)
    {
        var columns = PromptColumns.Find(schema, options, isTraining: true);
        Info(columns.Messages is { } messages ? $"Conversations from column '{messages.Name}'" : $"Prompts from column '{columns.Prompt!.Value.Name}'{(columns.Context is { } context ? $", context from '{context.Name}'" : ", no context")}{(columns.System is { } system ? $", system message from '{system.Name}'" : "")}");
        foreach (var line in PromptColumns.LeftOut(schema, options)) log.Warning(MessageSensitivity.None, line);
    }

    private void SayLoss(string what, RowCounts counts)
    {
        if (!counts.IsWhole) log.Warning(MessageSensitivity.None, $"Of {what}: {counts}.");
    }

    private TrainingRows? ReadRefusals(ChatTemplate template, LanguageTokenizer tokenizer, ModelConfig config)
    {
        if (options.HeldOutRefusalsPath is not { } path) return null;
        var layout = new InstructionFileOptions();
        var columns = new AsftFineTuneOptions
        {
            PromptColumnName = layout.PromptColumnName,
            ResponseColumnName = layout.ResponseColumnName,
            ContextColumnName = layout.ContextColumnName,
            Overlong = options.Overlong,
            StrictRows = options.StrictRows,
            SupervisedTurns = options.SupervisedTurns,
        };
        var limit = options.MaxSequenceLength ?? config.MaxPositions;
        var refusals = TrainingRows.Read(new InstructionFileView(path, layout), $"'{path}'", columns, example => template.Tokenize(tokenizer, example, limit), cancellationToken.ThrowIfCancellationRequested, isTraining: true);
        SayLoss($"'{path}'", refusals.Counts);
        Info($"{refusals.Examples.Count} held-out refusals from '{path}': lambda is found within {options.RefusalTolerance} nats per token, from {options.Lambda}");
        return refusals;
    }

    // With the two models swapped all runs as it should, and what is protected is the absence of alignment.
    private void WarnIfSwapped(double baseLoss, double alignedLoss)
    {
        if (!(baseLoss < alignedLoss)) return;
        log.Warning(MessageSensitivity.None, $"The refusals in '{options.HeldOutRefusalsPath}' are likelier in the base model '{options.BaseModelPath}' ({baseLoss:0.000} nats per token) "
            + $"than in the aligned model '{options.AlignedModelPath}' ({alignedLoss:0.000}). Are {nameof(options.BaseModelPath)} and {nameof(options.AlignedModelPath)} swapped, or is it the template?");
    }

    private AlignmentDirection? Direction(LoraAdapter adapter)
    {
        if (options.Projection == AlignmentProjection.None) return null;
        if (options.DirectionPath is not null)
        {
            Stage($"Alignment direction from '{options.DirectionPath}'");
            var direction = AlignmentDirection.Load(options.DirectionPath);
            // A direction of another model would protect nothing, and nobody would see it.
            if (direction.AlignedFingerprint is { } made && !CheckpointFingerprint.IsOf(options.AlignedModelPath!, made, cancellationToken))
            {
                direction.Dispose();
                throw new InvalidDataException($"The direction in '{options.DirectionPath}' was made from another aligned model than '{options.AlignedModelPath}', or that model was changed since.");
            }
            return direction;
        }
        if (options.BaseModelPath is null) return null;
        Stage($"Alignment direction: '{options.AlignedModelPath}' minus '{options.BaseModelPath}'");
        using var aligned = ModelCheckpoint.Open(options.AlignedModelPath!);
        using var baseline = ModelCheckpoint.Open(options.BaseModelPath);
        var layers = Protectable(adapter, aligned, baseline);
        return AlignmentDirection.Build(aligned, baseline, layers, options.AllowQuantizedDirection);
    }

    // To be excused allows a layer to go without protection; it does not take away what both models give it.
    private List<string> Protectable(LoraAdapter adapter, ModelCheckpoint aligned, ModelCheckpoint baseline)
    {
        List<string> layers = [], left = [];
        foreach (var name in adapter.Layers.Select(layer => layer.Name))
        {
            var key = name + ".weight";
            var isComparable = aligned.Entries.TryGetValue(key, out var after) && baseline.Entries.TryGetValue(key, out var before) && after.Shape.SequenceEqual(before.Shape);
            // The others stay in the list: the direction refuses them, and says why.
            (isComparable || !options.UnprotectedLayers.Any(excused => TargetModules.Matches(name, excused)) ? layers : left).Add(name);
        }
        if (left.Count > 0)
            log.Warning(MessageSensitivity.None, $"Not protected, as UnprotectedLayers allows: {string.Join(", ", left)}. '{options.BaseModelPath}' has no such weights to compare.");
        return layers;
    }

    private AlignmentPenalty? Penalty(AlignmentDirection? direction, LoraAdapter adapter)
    {
        if (options.Lambda == 0)
            log.Warning(MessageSensitivity.None, "Lambda is 0: nothing protects the model's alignment in this run.");
        // Without a direction only λ = 0 comes here (the options are checked), and there is nothing to measure.
        if (direction is null && options.Projection != AlignmentProjection.None) return null;
        Stage($"Penalty: {options.Projection} on {adapter.Layers.Count} layers");
        // A matter of minutes on a large model without a GPU: a sign of life for each tenth.
        const int Parts = 10;
        var told = 0;
        var reports = new DirectProgress<AlignmentDirectionProgress>(report =>
        {
            if (report.LayerCount <= Parts || Parts * report.LayersDone / report.LayerCount == told) return;
            told = Parts * report.LayersDone / report.LayerCount;
            Stage($"Penalty: {report.LayersDone} of {report.LayerCount} layers");
        });
        var penalty = new AlignmentPenalty(direction, adapter.Layers, options.Penalty, reports, cancellationToken);
        if (penalty.SpectrumReport is { } report) Stage(report);
        return penalty;
    }

    private TrainingResult Train(CausalLanguageModel model, LoraAdapter adapter, AlignmentPenalty? penalty, List<TokenizedExample> examples, List<TokenizedExample>? validation, List<TokenizedExample>? refusals)
    {
        var training = options.Training;
        TrainingProgress? last = null;
        progress.SetHeader(new ProgressHeader(["cross-entropy", "penalty"], ["steps"]), entry =>
        {
            if (last is null) return;
            entry.SetProgress(0, last.Step, last.TotalSteps);
            entry.SetMetric(0, last.CrossEntropy);
            entry.SetMetric(1, last.Penalty);
        });
        var reports = new DirectProgress<TrainingProgress>(report =>
        {
            last = report;
            Info($"Step {report.Step}/{report.TotalSteps}, epoch {report.Epoch:0.00}: cross-entropy {report.CrossEntropy:0.0000}, penalty {report.Penalty:0.000000}, anchored share {report.AnchoredShare:0.000}, "
                + $"learning rate {report.LearningRate:0.00e+0}, gradient norm {report.GradientNorm:0.000}, {report.TokensPerSecond:0} tokens/s, {report.Remaining:hh\\:mm\\:ss} left{(report.ValidationLoss is { } loss ? $", validation loss {loss:0.0000}" : "")}"
                + (refusals is null ? "" : $", lambda {report.PenaltyWeight:G4}, refusals {report.RefusalLoss:+0.0000;-0.0000} nats per token"));
            progress.Checkpoint(report.CrossEntropy, report.Penalty, report.Step);
            options.Progress?.Report(report);
        });
        var result = new FineTuner(model, adapter, penalty, training) { HeldOutRefusals = refusals }.Train(examples, validation, reports, cancellationToken);
        Info($"Done: {result.Steps} steps in {result.Duration.TotalSeconds:0.0} s, cross-entropy {result.CrossEntropy:0.0000}, penalty {result.Penalty:0.000000}"
            + $"{(refusals is null ? "" : $", lambda found {result.PenaltyWeight:G4}, refusals {result.RefusalLoss:+0.0000;-0.0000} nats per token")}{(result.StoppedEarly ? "; stopped early" : "")}");
        if (result.Refusals == RefusalOutcome.NotHeld) log.Warning(MessageSensitivity.None, result.RefusalReport);
        else if (result.RefusalReport is { } report) Info(report);
        return result;
    }

    // What can take long, and is told where the log is not read.
    private void Stage(string message)
    {
        Info(message);
        options.StageBegun?.Invoke(message);
    }

    private void Info(string message) => log.Info(MessageSensitivity.None, message);
}
