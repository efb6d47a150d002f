using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Fine-tunes an aligned language model on prompt/response rows with LoRA and the AsFT alignment penalty.
/// Made by <see cref="AsftFineTuneCatalog.AsftFineTune(TransformsCatalog, AsftFineTuneOptions)"/>.
/// </summary>
public sealed class AsftFineTuneEstimator : IEstimator<AsftFineTuneTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly IHost _host;
    private readonly AsftFineTuneOptions _options;

    internal AsftFineTuneEstimator(IHostEnvironment environment, AsftFineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionsCheck.Validate(options);
        _environment = environment;
        _host = environment.Register(nameof(AsftFineTuneEstimator));
        _options = options.Copy();
    }

    /// <summary>Trains an adapter on the rows.</summary>
    /// <param name="input">Rows with the prompt and response columns.</param>
    /// <returns>A transformer that answers prompts; it holds the model and is disposed by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="ArgumentException">An option does not fit the model, for instance a target module it does not have, or EarlyStoppingPatience is set and there are no validation rows.</exception>
    /// <exception cref="InvalidDataException">A model file is damaged or does not fit, there are no rows, none can be trained on, or StrictRows or Overlong refuses one.</exception>
    /// <exception cref="InvalidOperationException">An adapted layer has no alignment direction, or the loss became infinite.</exception>
    /// <exception cref="OperationCanceledException">The token of the options, or the MLContext, was cancelled.</exception>
    public AsftFineTuneTransformer Fit(IDataView input) => FitCore(input, null);

    /// <summary>Trains an adapter on the rows and measures its loss on others after each epoch.</summary>
    /// <param name="train">Rows to learn from.</param>
    /// <param name="validation">Rows to measure the loss on; their columns have the same names.</param>
    /// <inheritdoc cref="Fit(IDataView)"/>
    public AsftFineTuneTransformer Fit(IDataView train, IDataView validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        if (_options.ValidationFraction > 0)
            throw new ArgumentException($"ValidationFraction is {_options.ValidationFraction}, but validation rows are given too; set it to 0.", nameof(validation));
        return FitCore(train, validation);
    }

    /// <summary>The columns after the transformer: those given, and a text column with the answer.</summary>
    /// <param name="inputSchema">The columns before it.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        var output = PromptColumns.OutputShape(inputSchema, _options);
        if (!PromptColumns.HasConversations(inputSchema, _options)) ColumnCheck.Text(inputSchema, _options.ResponseColumnName, "response");
        if (_options.SystemColumnName is not (null or PromptColumns.DefaultSystem)) ColumnCheck.Text(inputSchema, _options.SystemColumnName, "system");
        if (_options.ContextColumnName is not (null or PromptColumns.DefaultContext)) ColumnCheck.Text(inputSchema, _options.ContextColumnName, "context");
        return output;
    }

    private AsftFineTuneTransformer FitCore(IDataView train, IDataView? validation)
    {
        ArgumentNullException.ThrowIfNull(train);
        if (_options.EarlyStoppingPatience is not null && validation is null && _options.ValidationFraction == 0)
            throw OptionsCheck.Wrong(nameof(_options.EarlyStoppingPatience), "EarlyStoppingPatience needs validation rows: set ValidationFraction, or give them to Fit.");
        using var log = _host.Start("Fit");
        using var progress = _host.StartProgressChannel("AsFT fine-tuning");
        using var cancellation = new HostCancellation(_host, _options.CancellationToken);
        var options = _options.Copy();
        // What was drawn with is kept, so that a saved model tells it and samples alike wherever it is loaded.
        options.Seed = HostDefaults.Seed(_environment, options.Seed);
        var placement = HostDefaults.Placement(_environment, options.Device, options.DType);
        var (model, result) = new FineTuneRun(options, placement, log, progress, cancellation.Token).Execute(train, validation);
        return new AsftFineTuneTransformer(_environment, options, new ModelSource(model, options.AlignedModelPath!, options.NameOfModel()), result);
    }
}
