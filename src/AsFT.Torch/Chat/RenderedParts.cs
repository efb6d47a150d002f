using AsFT.Torch.Chat.Jinja;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>Takes a rendered conversation apart: the template's special tokens, its other text, what each side says, and what is supervised.</summary>
internal sealed class RenderedParts
{
    private readonly RenderedText _rendered;
    private readonly IReadOnlyList<ChatMessage> _messages;
    private readonly string _origin;
    private readonly List<Special> _specials = [];

    public RenderedParts(RenderedText rendered, IReadOnlyList<ChatMessage> messages, LanguageTokenizer tokenizer, string origin)
    {
        (_rendered, _messages, _origin) = (rendered, messages, origin);
        FindSpecials(tokenizer);
    }

    /// <summary>The parts in order.</summary>
    /// <param name="isTrained">Whether answers are supervised.</param>
    /// <exception cref="InvalidOperationException">No special token follows an answer.</exception>
    public IEnumerable<TemplatePart> Read(bool isTrained)
    {
        var supervised = isTrained ? Supervised() : [];
        var place = 0;
        foreach (var special in _specials)
        {
            foreach (var part in Texts(place, special.Start, supervised)) yield return part;
            yield return new(IsIn(supervised, special.TokenStart) ? PartKind.End : PartKind.Special, special.Text);
            place = special.End;
        }
        foreach (var part in Texts(place, _rendered.Text.Length, supervised)) yield return part;
    }

    // Runs of one kind between two special tokens; they are tokenised together.
    private IEnumerable<TemplatePart> Texts(int start, int end, IReadOnlyList<(int Start, int End)> supervised)
    {
        for (var i = start; i < end;)
        {
            var kind = KindAt(i, supervised);
            var next = i + 1;
            while (next < end && KindAt(next, supervised) == kind) next++;
            yield return new(kind, _rendered.Text[i..next]);
            i = next;
        }
    }

    private PartKind KindAt(int place, IReadOnlyList<(int Start, int End)> supervised)
    {
        if (IsIn(supervised, place)) return PartKind.Response;
        var source = _rendered.Sources[place];
        return source > 0 && source <= _messages.Count && _messages[source - 1].Role == ChatMessage.UserRole ? PartKind.User : PartKind.Frame;
    }

    private static bool IsIn(IReadOnlyList<(int Start, int End)> spans, int place) => spans.Any(span => place >= span.Start && place < span.End);

    private IReadOnlyList<(int Start, int End)> Supervised()
    {
        if (_rendered.Generated.Count > 0) return _rendered.Generated;
        var spans = new List<(int, int)>();
        for (var i = 0; i < _messages.Count; i++)
        {
            if (_messages[i].Role != ChatMessage.AssistantRole) continue;
            var source = CheckpointTemplate.Source(i);
            var (first, last) = (_rendered.Sources.IndexOf(source), _rendered.Sources.LastIndexOf(source));
            if (first < 0) continue;
            var end = _specials.FirstOrDefault(special => special.TokenStart > last);
            var next = _rendered.Sources.AsSpan(last + 1).IndexOfAnyExcept('\0');
            if (end.Text is null || next >= 0 && last + 1 + next < end.TokenStart)
                throw new InvalidOperationException($"The chat template in {_origin} puts no special token of the tokenizer behind an answer, so a model that is trained with it would not learn to stop.");
            spans.Add((first, end.TokenStart + 1));
        }
        return spans;
    }

    // Only characters that the template itself wrote make special tokens.
    private void FindSpecials(LanguageTokenizer tokenizer)
    {
        var known = tokenizer.AllSpecialTokens.ToDictionary(token => token.Text, StringComparer.Ordinal);
        var symbols = new UserDefinedSymbols(known.Keys);
        var text = _rendered.Text;
        var place = 0;
        for (var i = 0; i < text.Length;)
        {
            var length = _rendered.Sources[i] == '\0' ? symbols.MatchAt(text, i) : 0;
            if (length == 0 || _rendered.Sources.AsSpan(i, length).ContainsAnyExcept('\0'))
            {
                i++;
                continue;
            }
            var token = known[text.Substring(i, length)];
            var (start, end) = (i, i + length);
            while (token.StripsLeft && start > place && char.IsWhiteSpace(text[start - 1])) start--;
            while (token.StripsRight && end < text.Length && char.IsWhiteSpace(text[end])) end++;
            _specials.Add(new(token.Text, i, start, end));
            place = i = end;
        }
    }

    // Start and end with the white space that the token takes along.
    private readonly record struct Special(string Text, int TokenStart, int Start, int End);
}
