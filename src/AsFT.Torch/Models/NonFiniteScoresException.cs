namespace AsFT.Torch.Models;

/// <summary>A model's scores are infinite or not numbers, so that nothing can be read off them. The weights or the number format are at fault, not the program.</summary>
public sealed class NonFiniteScoresException : InvalidOperationException
{
    /// <summary>Without a message of its own.</summary>
    public NonFiniteScoresException()
    {
    }

    /// <param name="message">Where it shows first and what helps.</param>
    public NonFiniteScoresException(string message) : base(message)
    {
    }

    /// <param name="message">Where it shows first and what helps.</param>
    /// <param name="innerException">What led to it.</param>
    public NonFiniteScoresException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
