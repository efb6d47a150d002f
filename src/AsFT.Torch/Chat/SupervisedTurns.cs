namespace AsFT.Torch.Chat;

/// <summary>Which answers of a conversation are learnt.</summary>
public enum SupervisedTurns
{
    /// <summary>Every answer of the assistant.</summary>
    All,

    /// <summary>The last answer; those before it are read as part of the question.</summary>
    Last,
}
