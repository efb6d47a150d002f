using System.CommandLine;
using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Input;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft merge</c>: an adapter becomes part of a model's weights.</summary>
internal sealed class MergeCommand : ToolCommand
{
    private readonly Option<string> _model = new("--model") { HelpName = "PATH", Description = "Model folder the adapter was trained on", Required = true };
    private readonly Option<string> _adapter = new("--adapter") { HelpName = "DIR", Description = "PEFT adapter folder", Required = true };
    private readonly Option<bool> _allowOtherModel = AdapterOnModel.NewOption();
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "Folder for the merged model; must not hold a model already", Required = true };

    public MergeCommand() : base("merge", "Add a PEFT adapter to a model's weights and write a complete model folder, in the model's own number format")
    {
        Options.Add(_model);
        Options.Add(_adapter);
        Options.Add(_allowOtherModel);
        Options.Add(_out);
    }

    protected override int Run(ToolRun run)
    {
        var (source, adapterFolder, target) = (run.Get(_model), run.Get(_adapter), run.Get(_out));
        MergedModel.CheckTarget(source, target);
        // Names and shapes are all that an adapter is read by; the weights go from file to file.
        using var model = CausalLanguageModel.Outline(source);
        using var adapter = AdapterOnModel.Load(run, model, source, adapterFolder, run.Get(_allowOtherModel));
        run.CancellationToken.ThrowIfCancellationRequested();
        run.Note($"Writing '{target}'");
        MergedModel.Write(source, adapter, target);

        var bytes = Directory.EnumerateFiles(target).Sum(InputFile.Length);
        run.Say($"Merged {adapter.Layers.Count} adapted layers into '{target}' ({Sizes.Format(bytes)}).");
        run.SayJson(new { model = source, adapter = adapterFolder, output = target, layers = adapter.Layers.Select(layer => layer.Name), bytes });
        return ExitCode.Success;
    }
}
