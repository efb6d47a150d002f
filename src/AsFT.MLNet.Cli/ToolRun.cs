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

    /// <summary>A line of plain text; silent when JSON is asked for.</summary>
    public void Say(string line)
    {
        if (!IsJson) console.Output.WriteLine(line);
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

    /// <summary>A table in the tool's style.</summary>
    public static Table NewTable(params string[] columns)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns) table.AddColumn(new TableColumn(new Text(column)).NoWrap());
        return table;
    }
}
