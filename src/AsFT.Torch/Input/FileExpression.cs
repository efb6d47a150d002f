using System.Text.RegularExpressions;

namespace AsFT.Torch.Input;

/// <summary>Regular expressions that a file brings along: data that must neither hang a process nor pass without its file's name.</summary>
internal static class FileExpression
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Makes an expression whose time grows with the text alone where the pattern allows it: look-around, back references and atomic groups do not.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <exception cref="RegexParseException">It is none.</exception>
    public static Regex Create(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, Limit);
        }
        catch (NotSupportedException)
        {
            return new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, Limit);
        }
    }

    /// <summary>What to say of an expression that did not end in time.</summary>
    /// <param name="path">The file it comes from.</param>
    /// <param name="e">What ended it.</param>
    /// <param name="length">Characters of the text.</param>
    public static InvalidDataException TooSlow(string path, RegexMatchTimeoutException e, int length) =>
        new($"'{path}': the expression '{TextInput.Shown(e.Pattern)}' took more than {e.MatchTimeout.TotalSeconds:0.#} s on a text of {length} characters, for it backtracks without end; is the file the model's own?", e);
}
