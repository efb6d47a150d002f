using System.Globalization;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Output;

/// <summary>Where the tool reads and writes; tests give it string writers.</summary>
internal sealed class ToolConsole
{
    /// <summary>What is no terminal has no edge: tables stay whole, and no line is broken.</summary>
    public const int Unbounded = 100_000;

    /// <param name="output">Results.</param>
    /// <param name="error">Signs of life, and one line per failure.</param>
    /// <param name="input">Prompts, where a command reads them from stdin.</param>
    /// <param name="isTerminal">Whether output can show colours.</param>
    /// <param name="isErrorTerminal">Whether error can redraw lines.</param>
    /// <param name="isInputRedirected">Whether input comes from a file or a pipe.</param>
    /// <param name="width">Columns; null: those of the terminal, or as many as a line has.</param>
    public ToolConsole(TextWriter output, TextWriter error, TextReader input, bool isTerminal = false, bool isErrorTerminal = false, bool isInputRedirected = true, int? width = null)
    {
        (Output, Error, Input, IsTerminal, IsErrorTerminal, IsInputRedirected) = (output, error, input, isTerminal, isErrorTerminal, isInputRedirected);
        Ansi = NewAnsi(output, isTerminal, width);
        ErrorAnsi = NewAnsi(error, isErrorTerminal, width);
    }

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    public TextReader Input { get; }

    public bool IsTerminal { get; }

    public bool IsErrorTerminal { get; }

    public bool IsInputRedirected { get; }

    /// <summary><see cref="Output"/> for tables.</summary>
    public IAnsiConsole Ansi { get; }

    /// <summary><see cref="Error"/> for live progress.</summary>
    public IAnsiConsole ErrorAnsi { get; }

    public static ToolConsole FromProcess() =>
        new(Console.Out, Console.Error, Console.In, !Console.IsOutputRedirected, !Console.IsErrorRedirected, Console.IsInputRedirected, ChosenWidth());

    // As in other tools, COLUMNS goes before what the terminal says.
    private static int? ChosenWidth() =>
        int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out var columns) && columns > 0 ? columns : null;

    private static IAnsiConsole NewAnsi(TextWriter writer, bool isTerminal, int? width)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (width is { } columns) console.Profile.Width = columns;
        else if (!isTerminal) console.Profile.Width = Unbounded;
        return console;
    }
}
