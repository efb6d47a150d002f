using System.CommandLine;
using System.CommandLine.Help;
using AsFT.MLNet.Cli.Commands;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli;

/// <summary>The <c>asft</c> command line.</summary>
internal static class AsftTool
{
    /// <summary>Emit one JSON document instead of text.</summary>
    public static readonly Option<bool> Json = new("--json") { Description = "Print one JSON document instead of text, for scripts", Recursive = true };

    /// <summary>Show library messages and stack traces.</summary>
    public static readonly Option<bool> Verbose = new("--verbose") { Description = "Show the library's messages, and stack traces of failures", Recursive = true };

    /// <summary>Runs one command line.</summary>
    /// <param name="args">Arguments without the program's name.</param>
    /// <param name="console">Where it reads and writes.</param>
    /// <param name="cancellationToken">Ends the command early; it then leaves nothing half-written.</param>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(string[] args, ToolConsole console, CancellationToken cancellationToken = default)
    {
        var parse = CreateRoot(console).Parse(args);
        if (parse.Errors.Count > 0)
            return Failure.ReportUsage(console, parse, Suggestion.ForUnknownWord(parse)
                // What was typed wrong goes before what is missing.
                ?? NumberOptions.FirstProblem(parse) ?? ChoiceOptions.FirstProblem(parse) ?? parse.Errors[0].Message);
        return await parse.InvokeAsync(
            new InvocationConfiguration { Output = console.Output, Error = console.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null },
            cancellationToken);
    }

    /// <summary>The whole command line, which parses without running anything.</summary>
    internal static RootCommand CreateRoot(ToolConsole console)
    {
        var root = new RootCommand("Fine-tune a language model without losing its safety: LoRA with the AsFT alignment penalty.");
        if (root.Options.OfType<HelpOption>().FirstOrDefault()?.Action is HelpAction help) help.MaxWidth = console.Ansi.Profile.Width;
        root.Options.Add(Json);
        root.Options.Add(Verbose);
        ToolCommand[] commands =
        [
            new QuickstartCommand(),
            new FineTuneCommand(),
            new GenerateCommand(),
            new EvalCommand(),
            new DirectionCommand(),
            new MergeCommand(),
            new InfoCommand(),
            new PlanCommand(),
            new SetupCommand(),
            new CompareCommand(),
            new BenchCommand(),
            new BasinCommand(),
        ];
        foreach (var command in commands)
        {
            command.Bind(console);
            root.Subcommands.Add(command);
        }
        var build = new WorldBuildCommand();
        build.Bind(console);
        root.Subcommands.Add(new Command("world", "The synthetic safety world that the quickstart and the measurements run in") { build });
        return root;
    }
}
