namespace AsFT.MLNet.Cli;

/// <summary>A run that was cancelled, and what it leaves.</summary>
/// <param name="message">What is told instead of the usual line.</param>
/// <param name="cause">The cancellation.</param>
internal sealed class StoppedException(string message, OperationCanceledException cause) : OperationCanceledException(message, cause, cause.CancellationToken);
