using System.CommandLine;
using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Inspection;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Cli.Options;

/// <summary>Which model answers, and how: a saved pipeline, or a model folder with or without an adapter.</summary>
internal sealed class ModelArguments(bool isRequired)
{
    private readonly GenerationArguments _generation = new();
    private readonly DeviceOptions _device = new();

    /// <summary>Where to compute, for a judge that needs to know.</summary>
    public DeviceOptions Device => _device;

    public Option<string?> Model { get; } = new("--model") { HelpName = "PATH", Description = "model.zip of a fine-tune, or a model folder", Required = isRequired };

    private readonly Option<string?> _modelFolder = new("--model-folder") { HelpName = "DIR", Description = "Where the model folder of a model.zip lies now, when it has moved" };
    public Option<string?> Adapter { get; } = new("--adapter") { HelpName = "DIR", Description = "PEFT adapter folder, with a model folder" };
    private readonly Option<bool> _allowOtherModel = AdapterOnModel.NewOption();
    private readonly Option<string?> _template = new("--template") { HelpName = "NAME", Description = $"Chat template of a model folder: auto (its own), {string.Join(", ", ChatTemplates.Names)}, or the name of one in the folder; left out: auto" };

    private readonly Option<string> _weightFormat = new Option<string>("--weight-format") { Description = DeviceOptions.WeightFormatText, DefaultValueFactory = _ => "dense" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, [.. Enum.GetNames<WeightFormat>().Select(Failure.KebabCase)]);

    /// <summary>Properties of the library and the words for them.</summary>
    public IReadOnlyDictionary<string, string> Words => _generation.Words;

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Model, _modelFolder, Adapter, _allowOtherModel, _template }) command.Options.Add(option);
        _generation.AddTo(command);
        _device.AddTo(command);
        command.Options.Add(_weightFormat);
    }

    /// <summary>Checks what can be checked before a model is read.</summary>
    /// <param name="run">The invocation.</param>
    /// <param name="other">The path of another model that is asked too; its template may be given where it is a folder.</param>
    /// <exception cref="FileNotFoundException">There is no such model.</exception>
    /// <exception cref="ArgumentException">The options do not fit the kind of model.</exception>
    public void Validate(ToolRun run, string? other = null)
    {
        var path = run.Get(Model)!;
        var isFolder = Exists(path);
        foreach (var option in isFolder ? [_modelFolder] : Directory.Exists(other) ? [Adapter] : new Option[] { Adapter, _template })
            if (run.Parse.GetResult(option) is { Implicit: false })
                throw new ArgumentException(isFolder
                    ? $"{option.Name} goes with a saved pipeline; '{path}' is a model folder itself."
                    : $"{option.Name} goes with a model folder; '{path}' is a saved pipeline and carries its own.");
        _generation.Read(run, new GenerationOptions()).Validate();
    }

    /// <summary>Loads the model.</summary>
    public AnsweringModel Open(ToolRun run) => Open(run, run.Get(Model)!, run.Get(Adapter), run.Get(_modelFolder));

    /// <summary>Loads another model that is asked in the same way: a folder beside a pipeline with the pipeline's template and generation settings, where none are given.</summary>
    /// <param name="run">The invocation.</param>
    /// <param name="path">model.zip or model folder.</param>
    /// <param name="adapter">Adapter folder, with a model folder.</param>
    /// <param name="movedTo">Where a pipeline's model folder lies now.</param>
    public AnsweringModel Open(ToolRun run, string path, string? adapter, string? movedTo = null)
    {
        run.Note($"Loading '{path}'");
        if (Exists(path))
        {
            var beside = run.Get(Model) is { } model && File.Exists(model) ? PipelineFile.ReadOptions(model) : null;
            var template = ChatTemplates.Load(path, run.Get(_template) ?? beside?.Template ?? ChatTemplates.Auto);
            var generation = _generation.Read(run, beside?.Generation ?? new GenerationOptions());
            return AnsweringModel.FromFolder(path, adapter is null ? null : model => AdapterOnModel.Load(run, model, path, adapter, run.Get(_allowOtherModel)), template, generation, _device.Resolve(run), Enum.Parse<WeightFormat>(run.Get(_weightFormat), ignoreCase: true), Pipelines.Warning(run), run.CancellationToken);
        }
        return AnsweringModel.FromPipeline(Pipelines.NewContext(run, 0), path, new AsftLoadOptions
        {
            ModelPath = movedTo,
            Device = Typed(run, _device.Device),
            DType = Typed(run, _device.DType)?.ToLowerInvariant(),
            WeightFormat = Typed(run, _weightFormat) is { } format ? Enum.Parse<WeightFormat>(format, ignoreCase: true) : null,
            Configure = options => Configure(run, options),
        });
    }

    // Whether the path is a folder; a path that is nothing at all ends here.
    private static bool Exists(string path) =>
        Directory.Exists(path) || (File.Exists(path) ? false : throw new FileNotFoundException($"There is no model '{path}'.{HubName.Advice(path)}"));

    private void Configure(ToolRun run, AsftFineTuneOptions options)
    {
        var generation = _generation.Read(run, options.Generation);
        (options.Generation, options.Seed) = (generation, generation.Seed);
        options.CancellationToken = run.CancellationToken;
    }

    private static string? Typed(ToolRun run, Option<string> option) => run.Parse.GetResult(option) is { Implicit: false } ? run.Get(option) : null;
}
