namespace AsFT.Torch.Chat.Jinja;

/// <summary>A template cannot be read, or refuses what it is given. The message says which construct, in which line.</summary>
internal sealed class JinjaException(string message, int? line = null, bool isRaised = false)
    : Exception(line is { } number ? $"line {number}: {message}" : message)
{
    /// <summary>Whether the template itself refused, by <c>raise_exception</c>; the message is then its own.</summary>
    public bool IsRaised { get; } = isRaised;

    /// <summary>Whether the message names a line already.</summary>
    public bool HasLine { get; } = line is not null;
}
