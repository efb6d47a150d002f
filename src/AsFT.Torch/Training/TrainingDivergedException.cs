namespace AsFT.Torch.Training;

/// <summary>A training's loss, or what it trains, became infinite or not a number. The options are at fault, not the program: another learning rate may do.</summary>
public sealed class TrainingDivergedException : InvalidOperationException
{
    /// <summary>Without a message of its own.</summary>
    public TrainingDivergedException()
    {
    }

    /// <param name="message">Where it happened and what helps.</param>
    public TrainingDivergedException(string message) : base(message)
    {
    }

    /// <param name="message">Where it happened and what helps.</param>
    /// <param name="innerException">What led to it.</param>
    public TrainingDivergedException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
