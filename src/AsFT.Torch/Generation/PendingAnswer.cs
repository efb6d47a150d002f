using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Generation;

/// <summary>An answer that grows token by token, on the host.</summary>
/// <param name="index">Place of its prompt among those given.</param>
/// <param name="prompt">Token ids of its prompt.</param>
/// <param name="limit">New tokens at most.</param>
/// <param name="stream">Names its random draws.</param>
internal sealed class PendingAnswer(int index, int[] prompt, int limit, ulong stream)
{
    private readonly List<int> _ids = [];
    private int[]? _read;
    private string? _cutText;
    private string? _finishReason;

    public int Index => index;

    /// <summary>What the model reads before it goes on: the prompt, and what had been answered when a batch ended before the answer did.</summary>
    public int[] Prompt => _read ?? prompt;

    /// <summary>Tokens answered before <see cref="Prompt"/> was read.</summary>
    public int Answered => Prompt.Length - prompt.Length;

    /// <summary>New tokens at most, from <see cref="Prompt"/> on.</summary>
    public int Limit => limit - Answered;

    /// <summary>The prompt and what was answered so far.</summary>
    public IReadOnlyList<int> Sequence => [.. prompt, .. _ids];

    /// <summary>Tokens of the answer so far.</summary>
    public int Count => _ids.Count;

    public ulong Stream => stream;

    public bool IsFinished => _finishReason is not null;

    /// <summary>Takes the next token and sees whether it ends the answer.</summary>
    public void Add(int id, IReadOnlySet<int> endTokens, IReadOnlyList<string> stopStrings, LanguageTokenizer tokenizer)
    {
        if (endTokens.Contains(id))
        {
            _finishReason = "stop";
            return;
        }
        _ids.Add(id);
        if (stopStrings.Count > 0 && BeforeStop(tokenizer.Decode(_ids), stopStrings) is { } cut)
            (_cutText, _finishReason) = (cut, "stop");
        else if (_ids.Count == limit)
            _finishReason = "length";
    }

    /// <summary>Has the answer so far read again with the prompt.</summary>
    public void ReadAgain() => _read = [.. prompt, .. _ids];

    // The space before an answer is the template's, not the answer's; with it, no answer would equal its reference.
    public Generation ToGeneration(LanguageTokenizer tokenizer) =>
        new((_cutText ?? tokenizer.Decode(_ids)).Trim(), _ids, _finishReason ?? throw new InvalidOperationException("The answer is not finished."));

    // The whole text is looked at, not the newest token's: a stop string may lie across tokens, and what a token
    // reads as depends on those before it.
    private static string? BeforeStop(string text, IReadOnlyList<string> stopStrings)
    {
        var first = -1;
        foreach (var stop in stopStrings)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first)) first = at;
        }
        return first < 0 ? null : text[..first];
    }
}
