namespace AsFT.MLNet.Cli;

/// <summary>What the tool tells the shell.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A failure that the user can mend: a missing or damaged file, a full disk, inputs that do not fit each other.</summary>
    public const int Failure = 1;

    /// <summary>Wrong arguments: unknown, missing or out of range.</summary>
    public const int Usage = 2;

    /// <summary>A measured figure is beyond its limit: a gate of <c>asft eval</c>, or a property that a world must have.</summary>
    public const int GateFailed = 3;

    /// <summary>Interrupted (128 + SIGINT, as shells have it).</summary>
    public const int Cancelled = 130;
}
