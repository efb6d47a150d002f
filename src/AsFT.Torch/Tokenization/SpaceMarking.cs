namespace AsFT.Torch.Tokenization;

/// <summary>
/// How a converted SentencePiece tokenizer writes spaces: with ▁, by a normalizer (<c>Prepend</c>, <c>Replace</c>) or a pre-tokenizer
/// (<c>Metaspace</c>), with or without one before the text.
/// </summary>
internal sealed record SpaceMarking
{
    /// <summary>What is written before a text, and when.</summary>
    public string Prefix { get; init; } = "";

    public PrefixScheme Scheme { get; init; } = PrefixScheme.Always;

    /// <summary>Whether a text that starts with the prefix gets none (<c>Metaspace</c>).</summary>
    public bool SkipsPresentPrefix { get; init; }

    /// <summary>Texts that are replaced, in order.</summary>
    public IReadOnlyList<(string Text, string By)> Replacements { get; init; } = [];

    /// <summary>Where words end, for merging never goes beyond: before each mark. Null: the text is one word.</summary>
    public char? Splits { get; init; }

    /// <summary>What decoding replaces, in order.</summary>
    public IReadOnlyList<(string Text, string By)> Restored { get; init; } = [];

    /// <summary>Spaces that decoding takes from the start of the text.</summary>
    public int Stripped { get; init; }

    /// <summary>Whether decoding drops the mark that the first token starts with (<c>Metaspace</c>).</summary>
    public bool DropsFirstMark { get; init; }

    /// <summary>The text as the vocabulary writes it, and per character the number of characters of the text up to its own.</summary>
    public (string Marked, int[] Covered) Mark(string text, bool isStart)
    {
        var characters = new List<char>(text.Length + 1);
        var covered = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            characters.Add(text[i]);
            covered.Add(i + 1);
        }
        foreach ((string from, string by) in Replacements) Replace(characters, covered, from, by);
        bool isPrefixed = Prefix.Length > 0 && (Scheme == PrefixScheme.Always || Scheme == PrefixScheme.First && isStart);
        if (isPrefixed && !(SkipsPresentPrefix && characters.Take(Prefix.Length).SequenceEqual(Prefix)))
        {
            characters.InsertRange(0, Prefix);
            covered.InsertRange(0, Enumerable.Repeat(0, Prefix.Length));
        }
        return (new string([.. characters]), [.. covered]);
    }

    /// <summary>Ends of the words of a marked text.</summary>
    public IEnumerable<int> Words(string marked)
    {
        if (Splits is { } mark)
        {
            for (int i = 1; i < marked.Length; i++)
                if (marked[i] == mark) yield return i;
        }
        yield return marked.Length;
    }

    /// <summary>A token's text as a reader writes it.</summary>
    public string Unmark(string piece, bool isFirst)
    {
        if (isFirst && DropsFirstMark && Prefix.Length > 0 && piece.StartsWith(Prefix, StringComparison.Ordinal)) piece = piece[Prefix.Length..];
        return Restored.Aggregate(piece, (text, step) => text.Replace(step.Text, step.By, StringComparison.Ordinal));
    }

    /// <summary>The decoded text without the spaces that the prefix left.</summary>
    public string Strip(string text)
    {
        int start = 0;
        while (start < Stripped && start < text.Length && text[start] == ' ') start++;
        return text[start..];
    }

    private static void Replace(List<char> characters, List<int> covered, string from, string by)
    {
        if (from.Length == 1 && by.Length == 1)
        {
            for (int i = 0; i < characters.Count; i++)
                if (characters[i] == from[0]) characters[i] = by[0];
            return;
        }
        for (int i = 0; i + from.Length <= characters.Count;)
        {
            if (!characters.Skip(i).Take(from.Length).SequenceEqual(from))
            {
                i++;
                continue;
            }
            int end = covered[i + from.Length - 1];
            characters.RemoveRange(i, from.Length);
            covered.RemoveRange(i, from.Length);
            characters.InsertRange(i, by);
            covered.InsertRange(i, Enumerable.Repeat(end, by.Length));
            i += by.Length;
        }
    }
}

/// <summary>When a prefix is written (<c>prepend_scheme</c>).</summary>
internal enum PrefixScheme
{
    Always,
    First,
    Never,
}
