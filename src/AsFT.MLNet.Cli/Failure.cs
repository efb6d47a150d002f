using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli;

/// <summary>Turns exceptions into one line on stderr and an exit code.</summary>
internal static partial class Failure
{
    /// <summary>Whether the exception is to be told to the user, rather than to end the process as a defect the runtime cannot survive.</summary>
    public static bool IsReportable(Exception e) => e is not (AccessViolationException or StackOverflowException);

    /// <summary>Reports a failed run.</summary>
    public static int Report(ToolRun run, ToolCommand command, Exception exception)
    {
        var cause = Unwrap(exception);
        var typed = cause is ArgumentException argument ? FindOption(command, run.Parse, argument) : null;
        var code = cause switch
        {
            OperationCanceledException => ExitCode.Cancelled,
            // A path that is not there is a failure to mend, whatever the library calls it.
            ArgumentException when typed is null || !ToolCommand.TakesPath(typed) || Typed(run.Parse, typed).Length == 0 => ExitCode.Usage,
            _ => ExitCode.Failure,
        };
        Write(run.Console, run.IsJson, FullName(command), Describe(run.Parse, typed, cause), code);
        if (run.IsVerbose && code != ExitCode.Cancelled) run.Console.Error.WriteLine(exception);
        return code;
    }

    /// <summary>Reports a command line that could not be parsed.</summary>
    public static int ReportUsage(ToolConsole console, ParseResult parse, string message)
    {
        var name = FullName(parse.CommandResult.Command);
        Write(console, JsonFileOption.IsPrinted(parse), name, $"{OneLine(message)} (see '{name} --help')", ExitCode.Usage);
        return ExitCode.Usage;
    }

    /// <summary>A property's name as an option's: LearningRate becomes learning-rate.</summary>
    public static string KebabCase(string property) => Hump().Replace(property, "-$1").ToLowerInvariant();

    // The words that call the command: asft world build.
    internal static string FullName(Command command) =>
        command is RootCommand || command.Parents.OfType<Command>().FirstOrDefault() is not { } parent ? "asft" : $"{FullName(parent)} {command.Name}";

    private static void Write(ToolConsole console, bool isJson, string command, string line, int code)
    {
        console.Error.WriteLine(Prose.Wrap($"{command}: {line}", console.ErrorAnsi.Profile.Width));
        if (isJson) console.Output.WriteLine(ToolRun.ToJson(new { error = new { command, message = line, exitCode = code } }));
    }

    private static string Describe(ParseResult parse, Option? typed, Exception cause) => cause switch
    {
        StoppedException => cause.Message,
        OperationCanceledException => "cancelled; nothing was left half-written.",
        ArgumentException => WithOption(parse, typed, cause.Message),
        UnauthorizedAccessException or IOException or InvalidDataException or InvalidOperationException or NotSupportedException or FormatException or DllNotFoundException => OneLine(cause.Message),
        OutOfMemoryException => $"out of memory: {OneLine(cause.Message)}",
        ExternalException => $"libtorch failed: {FirstLine(cause.Message)}",
        _ => $"unexpected {cause.GetType().Name}: {OneLine(cause.Message)} (--verbose shows where)",
    };

    // The library names its properties; the user typed options.
    private static Option? FindOption(ToolCommand command, ParseResult parse, ArgumentException e)
    {
        var word = FirstWord().Match(e.Message);
        return new[] { e.ParamName, word.Success ? word.Value : null }
            .OfType<string>()
            .Select(property => command.OptionNames.TryGetValue(property, out var known) ? known : "--" + KebabCase(property))
            .Select(name => parse.CommandResult.Command.Options.FirstOrDefault(option => option.Name == name))
            .FirstOrDefault(option => option is not null);
    }

    private static string WithOption(ParseResult parse, Option? typed, string message)
    {
        message = OneLine(ParameterSuffix().Replace(message, ""));
        if (typed is null) return message;
        var value = Typed(parse, typed);
        return value.Length > 0 ? $"{typed.Name} {value}: {message}" : $"{typed.Name}: {message}";
    }

    private static string Typed(ParseResult parse, Option option) => string.Join(' ', parse.GetResult(option)?.Tokens.Select(token => token.Value) ?? []);

    private static Exception Unwrap(Exception e) => e switch
    {
        TargetInvocationException or TypeInitializationException when e.InnerException is { } inner => Unwrap(inner),
        AggregateException { InnerExceptions: [var only] } => Unwrap(only),
        _ => e,
    };

    private static string OneLine(string text) => WhiteSpace().Replace(text, " ").Trim();

    // libtorch appends a C++ stack trace to its messages.
    private static string FirstLine(string text) => text.Split('\n', 2)[0].Trim();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"\s*\(Parameter '[^']*'\)|\s*Actual value was [^\n]*")]
    private static partial Regex ParameterSuffix();

    [GeneratedRegex(@"^[A-Z]\w+")]
    private static partial Regex FirstWord();

    [GeneratedRegex(@"(?<=[a-z0-9])([A-Z])")]
    private static partial Regex Hump();
}
