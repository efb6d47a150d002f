using System.Runtime.InteropServices;

namespace AsFT.MLNet.Cli.Output;

/// <summary>
/// Keeps a folder, or a file, for one run of the tool at a time. The system holds the lock and lets go of it with the process, however
/// that ends: what a killed run leaves behind is an empty file that stops nobody.
/// </summary>
internal sealed class OutputLock : IDisposable
{
    /// <summary>Name of the file that is locked.</summary>
    public const string FileName = ".asft-lock";

    private readonly FileStream _file;

    private OutputLock(FileStream file) => _file = file;

    /// <summary>Takes the lock; null when another run has it.</summary>
    /// <param name="folder">A folder that is there.</param>
    public static OutputLock? TryTake(string folder) => TryLock(Path.Combine(folder, FileName));

    /// <summary>Takes the lock of one file; null when another run has it.</summary>
    /// <param name="file">The file, which need not be there; its folder is.</param>
    public static OutputLock? TryTakeFile(string file) => TryLock(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, $"{FileName}-{Path.GetFileName(file)}"));

    private static OutputLock? TryLock(string path)
    {
        try
        {
            // Windows removes the file itself, and refuses others to.
            return new OutputLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1,
                OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None));
        }
        catch (IOException e) when (IsTaken(e))
        {
            return null;
        }
    }

    public void Dispose()
    {
        // Before it is unlocked: the next run then locks a file of its own, not one that is about to vanish.
        if (!OperatingSystem.IsWindows()) File.Delete(_file.Name);
        _file.Dispose();
    }

    // ERROR_SHARING_VIOLATION, or EWOULDBLOCK of flock.
    private static bool IsTaken(IOException e) =>
        e.HResult == (OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : RuntimeInformation.IsOSPlatform(OSPlatform.Linux) ? 11 : 35);
}
