using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using Spectre.Console;

namespace AsFT.MLNet.Cli;

/// <summary>One invocation: what was asked, and where the answer goes.</summary>
internal sealed class ToolRun(ParseResult parse, ToolConsole console, CancellationToken cancellationToken)
{
    private static readonly JsonSerializerOptions JsonFormat = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DictionaryKeyPolicy = null,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public ParseResult Parse => parse;

    public ToolConsole Console => console;

    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>One JSON document is wanted on stdout, and nothing else.</summary>
    public bool IsJson { get; } = JsonFileOption.IsPrinted(parse);

    public bool IsVerbose { get; } = parse.GetValue(AsftTool.Verbose);

    public T Get<T>(Option<T> option) => parse.GetValue(option)!;

    public T Get<T>(Argument<T> argument) => parse.GetValue(argument)!;

    /// <summary>A line of plain text, broken between words where the console is narrow; silent when JSON is asked for.</summary>
    /// <param name="line">The line.</param>
    /// <param name="hanging">Columns by which what follows a break is indented more than the line itself.</param>
    public void Say(string line, int hanging = 0)
    {
        if (!IsJson) console.Output.WriteLine(Prose.Wrap(line, console.Ansi.Profile.Width, hanging));
    }

    /// <summary>A line on stderr about something that is not as it was wanted; beside JSON, too.</summary>
    public void Warn(string line)
    {
        line = Prose.Wrap(line, console.ErrorAnsi.Profile.Width);
        // A live bar may be on the terminal; its console writes above it.
        if (console.IsErrorTerminal) console.ErrorAnsi.Write(new Text(line + Environment.NewLine));
        else console.Error.WriteLine(line);
    }

    /// <summary>A sign of life on stderr; beside JSON only where somebody looks on.</summary>
    public void Note(string line)
    {
        if (console.IsErrorTerminal || !IsJson) Warn(line);
    }

    /// <summary>A table or other layout; silent when JSON is asked for.</summary>
    public void Say(Spectre.Console.Rendering.IRenderable content)
    {
        if (!IsJson) console.Ansi.Write(content);
    }

    /// <summary>The JSON document; silent unless it is asked for.</summary>
    public void SayJson(object document)
    {
        if (IsJson) console.Output.WriteLine(ToJson(document));
    }

    public static string ToJson(object document) => JsonSerializer.Serialize(document, JsonFormat);
}
