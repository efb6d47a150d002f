using System.Text;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>Tokens of a templated conversation, each with the part in which it ends.</summary>
internal sealed class TokenizedParts
{
    private readonly List<int> _partIndex = []; // per token; −1 for BOS
    private readonly List<int> _offset = []; // per token, characters of its part covered up to its end

    public List<int> Ids { get; } = [];
    public List<PartKind> Kinds { get; } = [];

    /// <summary>Tokenises runs of text as a whole and places special tokens by id.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="template">Name of the template, for errors.</param>
    /// <param name="parts">The conversation.</param>
    /// <param name="writesBos">Whether the parts hold the token that begins a text, if there is to be one.</param>
    /// <exception cref="InvalidOperationException">The tokenizer lacks a token that the template needs.</exception>
    public static TokenizedParts Of(LanguageTokenizer tokenizer, string template, TemplatePart[] parts, bool writesBos = false)
    {
        var result = new TokenizedParts();
        if (!writesBos && tokenizer.AddBos && tokenizer.BosId is { } bos) result.Add(bos, PartKind.Special, -1, 0);
        for (int i = 0; i < parts.Length;)
        {
            if (parts[i].IsToken)
            {
                result.Add(Token(tokenizer, template, parts[i]), parts[i].Kind, i, 0);
                i++;
                continue;
            }
            int end = i;
            while (end < parts.Length && !parts[end].IsToken) end++;
            result.AddText(tokenizer, parts, i, end);
            i = end;
        }
        return result;
    }

    /// <summary>How many characters of part <paramref name="part"/> its first <paramref name="count"/> tokens cover; all if it has no more tokens.</summary>
    public int CharactersOf(int part, int count)
    {
        for (int i = 0; i < Ids.Count; i++)
        {
            if (_partIndex[i] == part && --count == 0) return _offset[i];
        }
        return int.MaxValue;
    }

    private static int Token(LanguageTokenizer tokenizer, string template, TemplatePart part)
    {
        if (part.Text.Length > 0)
        {
            return tokenizer.FindSpecialToken(part.Text)
                ?? throw new InvalidOperationException($"The {template} template needs the special token {part.Text}, which this tokenizer does not have.");
        }
        return tokenizer.EosIds.Count > 0
            ? tokenizer.EosIds[0]
            : throw new InvalidOperationException("The tokenizer names no end-of-sequence token (eos_token or eos_token_id), so an answer cannot be ended.");
    }

    private void AddText(LanguageTokenizer tokenizer, TemplatePart[] parts, int from, int to)
    {
        var text = new StringBuilder();
        for (int i = from; i < to; i++) text.Append(parts[i].Text);
        IReadOnlyList<int> ids = tokenizer.Encode(text.ToString(), isStart: Ids.Count == 0, out IReadOnlyList<int> ends);
        int part = from, before = 0; // characters of the parts before this one
        for (int t = 0; t < ids.Count; t++)
        {
            // A token ends in the part that holds its last character.
            while (part + 1 < to && ends[t] > before + parts[part].Text.Length)
            {
                before += parts[part].Text.Length;
                part++;
            }
            Add(ids[t], parts[part].Kind, part, ends[t] - before);
        }
    }

    private void Add(int id, PartKind kind, int part, int offset)
    {
        Ids.Add(id);
        Kinds.Add(kind);
        _partIndex.Add(part);
        _offset.Add(offset);
    }
}
