using AsFT.Torch.Chat.Jinja;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>Takes a rendered conversation apart: the template's special tokens, its other text, what each side says, and what is supervised.</summary>
internal sealed class RenderedParts
{
    private readonly RenderedText _rendered;
    private readonly IReadOnlyList<ChatMessage> _messages;
    private readonly LanguageTokenizer _tokenizer;
    private readonly string _origin;
    private readonly List<Special> _specials = [];

    public RenderedParts(RenderedText rendered, IReadOnlyList<ChatMessage> messages, LanguageTokenizer tokenizer, string origin)
    {
        (_rendered, _messages, _tokenizer, _origin) = (rendered, messages, tokenizer, origin);
        FindSpecials(tokenizer);
    }

    /// <summary>Whether a special token ends the last message, an answer.</summary>
    public bool IsEnded => Last < 0 || EndOf(Last) is not null;

    /// <summary>
    /// The same with an end behind the last answer, for templates that write it where the next turn begins: what they put there, or, where they
    /// end no turn, the token that ends a text.
    /// </summary>
    /// <param name="longer">The conversation with a further turn of the user; null: the template takes none.</param>
    public RenderedParts Ended(RenderedText? longer)
    {
        var end = Last + 1;
        if (longer is not null && longer.Text.StartsWith(_rendered.Text[..end], StringComparison.Ordinal) && new RenderedParts(longer, _messages, _tokenizer, _origin).EndOf(Last) is { } found)
            return new(_rendered with { Text = longer.Text[..found], Sources = longer.Sources[..found] }, _messages, _tokenizer, _origin);
        return new(_rendered with { Text = _rendered.Text[..end], Sources = _rendered.Sources[..end] }, _messages, _tokenizer, _origin) { EndsByEos = true };
    }

    private bool EndsByEos { get; init; }

    private int Last => _rendered.Sources.LastIndexOf(CheckpointTemplate.Source(_messages.Count - 1));

    /// <summary>The parts in order.</summary>
    /// <param name="turns">Which answers are supervised; null: none.</param>
    /// <param name="promptOf">What a model is asked with for the answer of that number; null: it cannot be.</param>
    /// <exception cref="RefusedConversationException">The template leaves a message out, writes an answer anew, or ends one without a special token.</exception>
    public IEnumerable<TemplatePart> Read(SupervisedTurns? turns, Func<int, string?> promptOf)
    {
        RequireAll();
        var supervised = turns is { } wanted ? Supervised(wanted, promptOf) : [];
        var place = 0;
        foreach (var special in _specials)
        {
            foreach (var part in Texts(place, special.Start, supervised)) yield return part;
            yield return new(IsIn(supervised, special.TokenStart) ? PartKind.End : PartKind.Special, special.Text);
            place = special.End;
        }
        foreach (var part in Texts(place, _rendered.Text.Length, supervised)) yield return part;
        if (EndsByEos) yield return new(PartKind.End, "");
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

    // What a template drops in silence is a part of the data that nobody knows is missing.
    private void RequireAll()
    {
        for (var i = 0; i < _messages.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(_messages[i].Content) || _rendered.Sources.Contains(CheckpointTemplate.Source(i))) continue;
            var isOfSystem = _messages[i].Role == ChatMessage.SystemRole;
            throw new RefusedConversationException($"The chat template in {_origin} leaves out {(isOfSystem ? "the system message" : $"what {(_messages[i].Role == ChatMessage.AssistantRole ? "the assistant" : "the user")} says")}, message {i + 1} of the conversation ({string.Join(", ", _messages.Select(message => message.Role))}).", isOfSystem);
        }
    }

    private List<(int Start, int End)> Supervised(SupervisedTurns turns, Func<int, string?> promptOf)
    {
        var answers = Enumerable.Range(0, _messages.Count).Where(i => _messages[i].Role == ChatMessage.AssistantRole).ToList();
        if (turns == SupervisedTurns.Last) answers = answers[^1..];
        var spans = new List<(int Start, int End)>();
        foreach (var i in answers)
        {
            var source = CheckpointTemplate.Source(i);
            var (first, last) = (_rendered.Sources.IndexOf(source), _rendered.Sources.LastIndexOf(source));
            if (first >= 0) spans.Add((Beginning(i, first, last + 1, promptOf), End(last)));
        }
        // A template may mark less than that, or more: the header of a turn, or the line break behind it.
        return _rendered.Generated.Count == 0 ? spans
            : [.. spans.SelectMany(span => _rendered.Generated, (span, marked) => (Start: Math.Max(span.Start, marked.Start), End: Math.Min(span.End, marked.End))).Where(span => span.Start < span.End)];
    }

    private int End(int last) => EndOf(last) ?? throw new RefusedConversationException(
        $"The chat template in {_origin} puts no special token of the tokenizer behind an answer before the last, so a model that is trained with it would not learn to stop there; learn the last answer alone ({nameof(ChatExample.Supervised)}: {nameof(SupervisedTurns.Last)}).", isOfSystem: false);

    // Behind the first special token that follows an answer's last character.
    private int? EndOf(int last)
    {
        var end = _specials.FirstOrDefault(special => special.TokenStart > last);
        var next = _rendered.Sources.AsSpan(last + 1).IndexOfAnyExcept('\0');
        if (end.Text is not null && !(next >= 0 && last + 1 + next < end.TokenStart)) return end.TokenEnd;
        return EndsByEos && last == Last ? _rendered.Text.Length : null;
    }

    // Where an answer begins of which the template wrote characters from first to end. Templates of models that think write the marks of a thought
    // themselves, which then begins where the model is asked; and they leave thoughts out of earlier answers.
    private int Beginning(int answer, int first, int end, Func<int, string?> promptOf)
    {
        var said = WithoutSpaces(_messages[answer].Content);
        var written = WithoutSpaces(_rendered.Text[first..end]);
        if (written == said) return first;
        if (promptOf(answer) is { } prompt && prompt.Length <= first && _rendered.Text.StartsWith(prompt, StringComparison.Ordinal) && WithoutSpaces(_rendered.Text[prompt.Length..end]) == said) return prompt.Length;
        if (answer < _messages.Count - 1 && said.EndsWith(written, StringComparison.Ordinal)) return first;
        throw new RefusedConversationException($"The chat template in {_origin} writes another answer than message {answer + 1} of the conversation, so what is learnt would not be what is said.", isOfSystem: false);
    }

    private static string WithoutSpaces(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));

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
            _specials.Add(new(token.Text, i, i + length, start, end));
            place = i = end;
        }
    }

    // Start and end with the white space that the token takes along.
    private readonly record struct Special(string Text, int TokenStart, int TokenEnd, int Start, int End);
}
