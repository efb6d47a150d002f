using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AsFT.Torch.Input;

/// <summary>Asks the system what lies at a path without opening it, which .NET cannot: opening a named pipe waits for its other end.</summary>
internal static partial class FileKind
{
    // <linux/stat.h>, <fcntl.h>: equal on all architectures.
    private const int AtCurrentFolder = -100;
    private const uint TypeAndMode = 0x3;
    private const int StatxModeOffset = 28;
    // <sys/stat.h> of macOS with 64-bit inodes.
    private const int MacModeOffset = 4;
    private const int TypeMask = 0xF000;

    /// <summary>A pipe, socket or device in words; null for a regular file, and where the system does not say.</summary>
    public static string? Of(string path) => Mode(path) is not { } mode ? null : (mode & TypeMask) switch
    {
        0x1000 => "a named pipe (fifo)",
        0x2000 or 0x6000 => "a device",
        0xC000 => "a socket",
        _ => null,
    };

    private static int? Mode(string path)
    {
        // Larger than either structure.
        var status = new StatusBuffer();
        try
        {
            if (OperatingSystem.IsLinux()) return Statx(AtCurrentFolder, path, 0, TypeAndMode, ref status) == 0 ? MemoryMarshal.Read<ushort>(status[StatxModeOffset..]) : null;
            if (!OperatingSystem.IsMacOS()) return null;
            var found = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Stat(path, ref status) : StatOfIntel(path, ref status);
            return found == 0 ? MemoryMarshal.Read<ushort>(status[MacModeOffset..]) : null;
        }
        catch (EntryPointNotFoundException)
        {
            // A C library from before statx (glibc 2.28).
            return null;
        }
    }

    [InlineArray(512)]
    private struct StatusBuffer
    {
        private byte _first;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, ref StatusBuffer status);

    [LibraryImport("libc", EntryPoint = "stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, ref StatusBuffer status);

    [LibraryImport("libc", EntryPoint = "stat$INODE64", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatOfIntel(string path, ref StatusBuffer status);
}
