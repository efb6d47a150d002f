namespace AsFT.MLNet.Cli.Tests.Documents;

/// <summary>A fenced block of a document. Behind its language stands how it is checked, and for <c>skip</c> the reason.</summary>
internal sealed record MarkdownBlock(string Document, int Line, string Language, string Mark, string Reason, string Text)
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = Path.GetFullPath(Tool.Data("..", ".."));

    /// <summary>For messages.</summary>
    public string Place => $"{Document}:{Line}";

    /// <summary>The blocks of a document, in order.</summary>
    public static IEnumerable<MarkdownBlock> Read(string document)
    {
        var lines = File.ReadAllLines(Path.Combine(Root, document));
        for (var i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith("```", StringComparison.Ordinal)) continue;
            var (start, info) = (i, lines[i][3..].Split(' ', 3, StringSplitOptions.TrimEntries));
            while (++i < lines.Length && lines[i] != "```")
            {
            }
            yield return new(document, start + 1, info[0], info.ElementAtOrDefault(1) ?? "", info.ElementAtOrDefault(2) ?? "", string.Join('\n', lines[(start + 1)..i]));
        }
    }
}
