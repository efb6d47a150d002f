using System.CommandLine;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli;

/// <summary>One command of the tool. It parses and prints; the work is the library's.</summary>
internal abstract class ToolCommand(string name, string description) : Command(name, description)
{
    /// <summary>Names of library options whose command-line name is not the same word, for error messages.</summary>
    public virtual IReadOnlyDictionary<string, string> OptionNames { get; } = new Dictionary<string, string>();

    /// <summary>Whether the command computes; one that does not works without libtorch.</summary>
    protected virtual bool NeedsLibtorch => true;

    /// <summary>Does the work. Failures leave as exceptions.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ToolRun run);

    /// <summary>Connects the command with the console it writes to.</summary>
    public void Bind(ToolConsole console) => SetAction((parse, cancellationToken) =>
    {
        var run = new ToolRun(parse, console, cancellationToken);
        try
        {
            // Before TorchSharp looks for it, at length and on stdout.
            if (NeedsLibtorch) AsftRuntime.Initialize();
            return Task.FromResult(Run(run));
        }
        catch (Exception e) when (Failure.IsReportable(e))
        {
            return Task.FromResult(Failure.Report(run, this, e));
        }
    });
}
