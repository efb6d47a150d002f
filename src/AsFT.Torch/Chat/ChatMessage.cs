namespace AsFT.Torch.Chat;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who says it: <c>system</c>, <c>user</c> or <c>assistant</c>, as chat templates call them.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content);
