using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Chat;
using AsFT.Torch.Runtime;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Answers prompts with a model as it is, or with an adapter on it; nothing is trained.
/// Made by <see cref="AsftFineTuneCatalog.AsftGenerate(TransformsCatalog, string, string?, AsftGenerateOptions?)"/>.
/// </summary>
public sealed class AsftGenerateEstimator : IEstimator<AsftFineTuneTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly AsftFineTuneOptions _options;
    private readonly string? _adapterFolder;

    internal AsftGenerateEstimator(IHostEnvironment environment, string modelFolder, string? adapterFolder, AsftGenerateOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelFolder);
        ArgumentNullException.ThrowIfNull(options);
        // What is read later is read where it lies now.
        _options = options.On(Path.GetFullPath(modelFolder));
        _adapterFolder = adapterFolder is null ? null : Path.GetFullPath(adapterFolder);
        OptionsCheck.Folder(modelFolder, nameof(modelFolder));
        if (adapterFolder is not null) OptionsCheck.Folder(adapterFolder, nameof(adapterFolder));
        OptionsCheck.ValidateAnswering(_options);
        ChatTemplates.Load(modelFolder, options.Template);
        ComputePlacement.Resolve(options.Device ?? "auto", options.DType);
        _environment = environment;
    }

    /// <summary>Checks model and adapter; weights are read when the first answer is asked for.</summary>
    /// <param name="input">Rows with the prompt column.</param>
    /// <returns>A transformer that answers prompts; disposed by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or is no text.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the adapter does not fit the model, or is of another one.</exception>
    public AsftFineTuneTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        PromptColumns.Find(input.Schema, _options, isTraining: false);
        using var log = _environment.Register(nameof(AsftGenerateEstimator)).Start("Fit");
        var (options, folder) = (_options.Copy(), _options.AlignedModelPath!);
        options.Seed = HostDefaults.Seed(_environment, options.Seed);
        options.Template = ChatTemplates.Load(folder, options.Template).Name;
        if (_adapterFolder is not null && EarlierAdapter.Read(folder, _adapterFolder, options.AllowOtherModel) is var earlier)
        {
            if (earlier.Doubt is { } doubt) log.Warning(MessageSensitivity.None, doubt);
            (options.AdapterPath, options.Adapter) = (_adapterFolder, earlier.Options);
        }
        var adapter = _adapterFolder is null ? null : AdapterFiles.Read(_adapterFolder);
        return new AsftFineTuneTransformer(_environment, options, new ModelSource(() => FineTuneReader.LoadModel(_environment, folder, options, adapter), folder, adapter), result: null);
    }

    /// <summary>The columns after the transformer: those given, and a text column with the answer.</summary>
    /// <param name="inputSchema">The columns before it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The prompt column is missing or is no text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return PromptColumns.OutputShape(inputSchema, _options);
    }
}
