using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;

namespace AsFT.MLNet.Cli.Options;

/// <summary>Options that take one of a few words (<c>AcceptOnlyFromAmong</c>).</summary>
internal static class ChoiceOptions
{
    /// <summary>
    /// What is wrong with the first word of a command line that is none of its option's choices. The parser's own sentence
    /// does not name the option, and is not made where something else is missing.
    /// </summary>
    public static string? FirstProblem(ParseResult parse) => parse.CommandResult.Children.OfType<OptionResult>()
        .Where(result => result.Option.ValueType == typeof(string))
        .Select(result => Problem(result, [.. result.Option.GetCompletions(CompletionContext.Empty).Select(choice => choice.Label)]))
        .FirstOrDefault(problem => problem is not null);

    private static string? Problem(OptionResult result, string[] choices)
    {
        if (choices.Length == 0 || result.Tokens.FirstOrDefault(token => !choices.Contains(token.Value, StringComparer.OrdinalIgnoreCase)) is not { Value: var word }) return null;
        return $"{result.Option.Name} {word}: there is no such choice{Suggestion.Meant(Suggestion.Closest(word, choices))} It takes {string.Join(", ", choices)}.";
    }
}
