namespace AsFT.MLNet.Fuzzing;

/// <summary>A reader of files that come from others.</summary>
/// <param name="Name">As given on the command line.</param>
/// <param name="Seeds">Inputs that are right, by file name: where the fuzzer starts.</param>
/// <param name="Run">Reads one input. What it throws for a bad one must be told as <see cref="IsTold"/> wants.</param>
internal sealed record FuzzTarget(string Name, Func<IEnumerable<(string Name, byte[] Content)>> Seeds, Action<byte[]> Run)
{
    /// <summary>Whether an exception is one that a reader documents; all others are findings.</summary>
    public static bool IsTold(Exception exception) => exception is InvalidDataException or NotSupportedException or DirectoryNotFoundException or FileNotFoundException;
}
