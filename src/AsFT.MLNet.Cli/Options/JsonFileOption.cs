using System.CommandLine;
using System.CommandLine.Parsing;

namespace AsFT.MLNet.Cli.Options;

/// <summary><c>--json [FILE]</c> of a command, instead of <see cref="AsftTool.Json"/>: what it prints without a file goes into the file with one.</summary>
internal sealed class JsonFileOption : Option<string?>
{
    public JsonFileOption(string description) : base("--json")
    {
        (HelpName, Description, Arity) = ("FILE", description, ArgumentArity.ZeroOrOne);
        // The parser takes an option it does not know for the file.
        Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => !IsFile(token)) is { } wrong) result.AddError(Suggestion.NoOption(result, wrong.Value));
        });
    }

    /// <summary>Whether one JSON document is wanted on stdout, and nothing else: <c>--json</c> without a file, before the command's word or after it.</summary>
    public static bool IsPrinted(ParseResult parse) =>
        parse.CommandResult.Command.Options.OfType<JsonFileOption>().FirstOrDefault() is { } own && parse.GetResult(own) is { Implicit: false } typed
            ? !typed.Tokens.Any(IsFile)
            : parse.GetValue(AsftTool.Json);

    private static bool IsFile(Token token) => !token.Value.StartsWith('-');
}
