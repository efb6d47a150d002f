using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace AsFT.MLNet.Benchmarks.Harness.Machines;

/// <summary>The system's copy of files in memory, which would make a second reading look like the disk.</summary>
internal static partial class PageCache
{
    private const int DontNeed = 4;

    /// <summary>Asks the system to forget files; Linux only.</summary>
    /// <returns>Whether it agreed.</returns>
    public static bool TryDrop(IEnumerable<string> files)
    {
        if (!OperatingSystem.IsLinux()) return false;
        foreach (var file in files)
        {
            using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
            // Only pages that are on the disk can be dropped.
            RandomAccess.FlushToDisk(handle);
            if (Advise(handle, 0, 0, DontNeed) != 0) return false;
        }
        return true;
    }

    /// <summary>Reads files from start to end, as fast as plain reading goes.</summary>
    public static void ReadAll(IEnumerable<string> files, byte[] buffer)
    {
        foreach (var file in files)
        {
            using var handle = File.OpenHandle(file, options: FileOptions.SequentialScan);
            for (var offset = 0L; RandomAccess.Read(handle, buffer, offset) is > 0 and var read;) offset += read;
        }
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, nint offset, nint length, int advice);
}
