namespace AsFT.Torch.Chat;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who says it: <see cref="SystemRole"/>, <see cref="UserRole"/> or <see cref="AssistantRole"/>, as chat templates call them.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary><c>system</c>: what the conversation is to be like.</summary>
    public const string SystemRole = "system";

    /// <summary><c>user</c>: what is asked.</summary>
    public const string UserRole = "user";

    /// <summary><c>assistant</c>: what the model answers.</summary>
    public const string AssistantRole = "assistant";
}
