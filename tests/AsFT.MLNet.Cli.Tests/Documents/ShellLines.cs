using System.Text;
using System.Text.RegularExpressions;

namespace AsFT.MLNet.Cli.Tests.Documents;

/// <summary>Command lines as documents write them: continued with <c>\</c>, explained behind <c>#</c>, with <c>[a | b]</c> for what may be left out and <c>a|b</c> for a choice.</summary>
internal static partial class ShellLines
{
    // What stands for the tool in a document.
    private static readonly string[] Tools = ["asft ", "dotnet run --project src/AsFT.MLNet.Cli -c Release -- "];

    /// <summary>The lines of a block, whole and without comments.</summary>
    public static IEnumerable<string> Of(string block) => block
        .Replace("\\\n", " ", StringComparison.Ordinal)
        .Split('\n')
        .Select(line => Comment().Replace(line, "").Trim())
        .Where(line => line.Length > 0);

    /// <summary>The arguments of the tool in a line; null when the line is another program's.</summary>
    public static string? ToolArguments(string line) =>
        Array.Find(Tools, tool => line.StartsWith(tool, StringComparison.Ordinal)) is { } tool ? line[tool.Length..] : null;

    /// <summary>Every command line that a line stands for, in words.</summary>
    public static IEnumerable<string[]> Expand(string line) => WithoutBrackets(line).SelectMany(plain => Choices(Words(plain), 0));

    private static IEnumerable<string> WithoutBrackets(string line)
    {
        if (InnerBrackets().Match(line) is not { Success: true } part) return [line];
        var (before, behind) = (line[..part.Index], line[(part.Index + part.Length)..]);
        return part.Groups[1].Value.Split(" | ").Prepend("").SelectMany(choice => WithoutBrackets($"{before}{choice}{behind}"));
    }

    private static IEnumerable<string[]> Choices(string[] words, int from)
    {
        var at = Array.FindIndex(words, from, word => word.Contains('|'));
        return at < 0 ? [words] : words[at].Split('|').SelectMany(choice => Choices([.. words[..at], choice, .. words[(at + 1)..]], at + 1));
    }

    private static string[] Words(string line)
    {
        var (words, word, isQuoted, isOpen) = (new List<string>(), new StringBuilder(), false, false);
        foreach (var character in line)
        {
            if (character == '"') (isQuoted, isOpen) = (!isQuoted, true);
            else if (isQuoted || !char.IsWhiteSpace(character)) (_, isOpen) = (word.Append(character), true);
            else if (isOpen)
            {
                words.Add(word.ToString());
                (_, isOpen) = (word.Clear(), false);
            }
        }
        if (isOpen) words.Add(word.ToString());
        return [.. words];
    }

    [GeneratedRegex(@"(^|\s)#.*$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"\[([^\[\]]*)\]")]
    private static partial Regex InnerBrackets();
}
