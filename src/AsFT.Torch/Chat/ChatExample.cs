namespace AsFT.Torch.Chat;

/// <summary>A conversation: one turn that is learnt or to be answered, and those around it.</summary>
/// <param name="Prompt">What the user asks (the instruction).</param>
/// <param name="Response">What the model shall answer; null for a prompt that is to be answered.</param>
/// <param name="System">System message, or null. An empty one is there, and a template may write it.</param>
/// <param name="Context">Further input of the instruction (Alpaca's <c>input</c>), or null.</param>
public sealed record ChatExample(string Prompt, string? Response = null, string? System = null, string? Context = null)
{
    /// <summary>What stands between prompt and context: an empty line.</summary>
    public const string ContextSeparator = "\n\n";

    /// <summary>Turns between a system message at the beginning and the prompt, in order; empty for a single question.</summary>
    public IReadOnlyList<ChatMessage> Earlier { get; init; } = [];

    /// <summary>Turns between the prompt and the answer, such as a message of the system; mostly empty.</summary>
    public IReadOnlyList<ChatMessage> Later { get; init; } = [];

    /// <summary>Which answers are learnt, where there are several.</summary>
    public SupervisedTurns Supervised { get; init; }

    /// <summary>Whether there are more turns than a system message, a prompt and its answer.</summary>
    internal bool HasMoreTurns => Earlier.Count + Later.Count > 0;

    /// <summary>What the user says as one text: the prompt and, where there is one, the context after an empty line.</summary>
    public string UserText => string.IsNullOrWhiteSpace(Context) ? Prompt : Prompt + ContextSeparator + Context;

    /// <summary>The whole conversation, turn by turn; a response is the last.</summary>
    public IReadOnlyList<ChatMessage> Messages()
    {
        var messages = new List<ChatMessage>();
        if (System is not null) messages.Add(new(ChatMessage.SystemRole, System));
        messages.AddRange(Earlier);
        messages.Add(new(ChatMessage.UserRole, UserText));
        messages.AddRange(Later);
        if (Response is not null) messages.Add(new(ChatMessage.AssistantRole, Response));
        return messages;
    }
}

/// <summary>Token ids of one example and which of them are supervised.</summary>
/// <param name="Ids">Token ids, special tokens included.</param>
/// <param name="Supervised">Per token, whether the model is trained to predict it.</param>
public sealed record TokenizedExample(int[] Ids, bool[] Supervised)
{
    /// <summary>Whether tokens were cut off at the right; the end-of-sequence token is then among the lost ones.</summary>
    public bool Truncated { get; init; }

    /// <summary>Number of supervised tokens; 0 when the prompt alone fills the length: such an example teaches nothing.</summary>
    public int SupervisedCount => Supervised.Count(s => s);
}
