using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Interop;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Trains a moderation model on judged answers: a classification head on a pretrained model, with LoRA below it. What Fit gives scores with it.
/// Made by <see cref="HarmfulnessScoringCatalog.TrainHarmfulnessJudge(TransformsCatalog, TrainHarmfulnessJudgeOptions)"/>.
/// </summary>
public sealed class HarmfulnessJudgeEstimator : IEstimator<HarmfulnessScoringTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly IHost _host;
    private readonly TrainHarmfulnessJudgeOptions _options;

    internal HarmfulnessJudgeEstimator(IHostEnvironment environment, TrainHarmfulnessJudgeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _environment = environment;
        _host = environment.Register(nameof(HarmfulnessJudgeEstimator));
        _options = options.Copy();
    }

    /// <summary>Trains a judge on the rows and writes it to <see cref="TrainHarmfulnessJudgeOptions.JudgeOutputFolder"/>.</summary>
    /// <param name="input">Rows with the prompt, response and label columns.</param>
    /// <returns>A transformer that scores with the judge; disposed by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    /// <exception cref="ArgumentException">An option does not fit the model, for instance a target module it does not have, or MaxLength leaves no row room for its answer.</exception>
    /// <exception cref="InvalidDataException">A model file is damaged, or there are no rows.</exception>
    /// <exception cref="IOException">JudgeOutputFolder cannot be written to, or holds another model.</exception>
    /// <exception cref="InvalidOperationException">The loss became infinite.</exception>
    /// <exception cref="OperationCanceledException">The token of the options, or the MLContext, was cancelled; nothing is written then.</exception>
    public HarmfulnessScoringTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var log = _host.Start("Fit");
        using var progress = _host.StartProgressChannel("Harmfulness judge");
        using var cancellation = new HostCancellation(_host, _options.CancellationToken);
        var folder = _options.JudgeOutputFolder!;
        // An hour of training must not end in a folder that takes no files.
        OutputProbe.Check(folder, nameof(_options.JudgeOutputFolder));
        JudgeTrainer.CheckTarget(_options.PretrainedModelPath!, folder);
        var options = _options.Copy();
        options.Seed = HostDefaults.Seed(_environment, options.Seed);
        var placement = HostDefaults.Placement(_environment, options.Device, options.DType);
        foreach (var line in PromptColumns.LeftOut(input.Schema, options.ContextColumnName, nameof(options.ContextColumnName), PromptColumns.DefaultContext, options.PromptColumnName)) log.Warning(MessageSensitivity.None, line);
        var (examples, categories, unlabelled) = JudgeRows.Read(input, options, cancellation.Token.ThrowIfCancellationRequested);
        var (train, held) = JudgeRows.Split(examples, options.ValidationFraction, options.Seed.Value);
        log.Info(MessageSensitivity.None, $"{train.Count} training rows, {held?.Count ?? 0} held out, {categories.Count} categories; {train.Count(example => example.IsHarmful)} harmful");
        JudgeTrainingProgress? last = null;
        progress.SetHeader(new ProgressHeader(["loss"], ["steps"]), entry =>
        {
            if (last is null) return;
            entry.SetProgress(0, last.Step, last.TotalSteps);
            entry.SetMetric(0, last.Loss);
        });
        var reports = new DirectProgress<JudgeTrainingProgress>(report =>
        {
            last = report;
            log.Info(MessageSensitivity.None, $"Step {report.Step}/{report.TotalSteps}, epoch {report.Epoch:0.00}: loss {report.Loss:0.0000}, learning rate {report.LearningRate:0.00e+0}, gradient norm {report.GradientNorm:0.000}");
            progress.Checkpoint(report.Loss, report.Step);
            _options.Progress?.Report(report);
        });
        var result = JudgeTrainer.Train(options.PretrainedModelPath!, train, folder, options.Settings(categories), held, placement, reports, cancellation.Token);
        if (unlabelled.First is { } first)
            result = result with { Rows = result.Rows! with { Read = result.Rows.Read + unlabelled.Count, Unlabelled = unlabelled.Count, FirstUnlabelled = first }, Skipped = result.Skipped + unlabelled.Count };
        if (!result.Rows!.IsWhole) log.Warning(MessageSensitivity.None, $"Of the training data: {result.Rows}.");
        if (result.ValidationRows is { IsWhole: false } validation) log.Warning(MessageSensitivity.None, $"Of the held-out rows: {validation}.");
        log.Info(MessageSensitivity.None, $"Done: {result.Steps} steps in {result.Duration.TotalSeconds:0.0} s, loss {result.Loss:0.0000}{(result.ValidationAccuracy is { } accuracy ? $", held-out accuracy {accuracy}" : "")}; judge written to '{folder}'");
        var scoring = _options.ScoringOptions(folder);
        return new HarmfulnessScoringTransformer(_host, scoring, scoring.Judge!.Source(_environment), result);
    }

    /// <summary>The columns after the transformer: those given, and those it adds.</summary>
    /// <param name="inputSchema">The columns before it.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a wrong type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ColumnCheck.Text(inputSchema, _options.PromptColumnName, "prompt");
        ColumnCheck.Text(inputSchema, _options.ResponseColumnName, "response");
        foreach (var name in _options.CategoryColumnNames) Check(inputSchema, name, "category", allowsVector: false);
        if (_options.CategoryColumnNames.Length == 0) Check(inputSchema, _options.LabelColumnName, "label", allowsVector: true);
        return ScoreFunction.OutputShape(inputSchema, _options.ScoringOptions(""));
    }

    private static void Check(SchemaShape schema, string name, string role, bool allowsVector)
    {
        var column = ColumnCheck.Find(schema, name, role);
        var isBool = column.ItemType is BooleanDataViewType;
        var fits = column.Kind == SchemaShape.Column.VectorKind.Scalar ? isBool : allowsVector && column.Kind == SchemaShape.Column.VectorKind.Vector && (isBool || column.ItemType.RawType == typeof(float));
        if (!fits) throw new ArgumentOutOfRangeException(nameof(schema), $"Schema mismatch for {role} column '{name}': expected Boolean{(allowsVector ? ", or a vector of Boolean or Single" : "")}, got {MlNetInternals.TypeName(column)}");
    }
}
