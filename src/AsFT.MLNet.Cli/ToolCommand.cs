using System.CommandLine;
using System.CommandLine.Parsing;
using AsFT.MLNet.Cli.Options;
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

    /// <summary>Whether an option names a file or folder.</summary>
    public static bool TakesPath(Option option) => option.HelpName is "DIR" or "FILE" or "PATH";

    /// <summary>Does the work. Failures leave as exceptions.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ToolRun run);

    /// <summary>Connects the command with the console it writes to.</summary>
    public void Bind(ToolConsole console)
    {
        NumberOptions.Bind(this);
        SetAction((parse, cancellationToken) =>
        {
            var run = new ToolRun(parse, console, cancellationToken);
            try
            {
                CheckOutputs(parse);
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

    // A result must not be written over what it is made from, nor over another one.
    private static void CheckOutputs(ParseResult parse)
    {
        var named = parse.CommandResult.Children.OfType<OptionResult>().Where(result => TakesPath(result.Option))
            .SelectMany(result => result.Tokens.Select(token => (result.Option, token.Value, Path: Path.GetFullPath(token.Value)))).ToList();
        foreach (var (option, value, path) in named.Where(one => IsOutput(one.Option) && !Directory.Exists(one.Path)))
            if (named.FirstOrDefault(other => other.Option != option && other.Path == path).Option is { } clash)
                throw new ArgumentException($"{option.Name} {value}: {clash.Name} names the same file, which would be written over.");
    }

    private static bool IsOutput(Option option) => option is JsonFileOption || option.Name is "--out" or "--json-file" or "--markdown" or "--save-answers";
}
