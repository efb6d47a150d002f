namespace AsFT.Torch.Chat;

/// <summary>A chat template does not take a conversation.</summary>
/// <param name="message">What it does not take, and why.</param>
/// <param name="isOfSystem">Whether it takes the conversation without its system message.</param>
/// <param name="inner">What the template said.</param>
internal sealed class RefusedConversationException(string message, bool isOfSystem, Exception? inner = null) : InvalidOperationException(message, inner)
{
    /// <summary>The same as an error of data, with the place that the conversation comes from.</summary>
    /// <param name="place">The row, or what else the conversation is called.</param>
    /// <param name="systemPlace">The column or field of system messages; null: the conversation is told alone.</param>
    public InvalidDataException At(string place, string? systemPlace) => new(isOfSystem && systemPlace is not null ? $"{place}, {systemPlace}: {Message}" : $"{place}: {Message}", this);
}
