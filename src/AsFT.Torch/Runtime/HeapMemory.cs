using System.Runtime.InteropServices;

namespace AsFT.Torch.Runtime;

/// <summary>The C library's heap, from which libtorch takes its memory on a CPU.</summary>
internal static partial class HeapMemory
{
    /// <summary>glibc gives a block pages of its own, and back when it is freed, only above this (DEFAULT_MMAP_THRESHOLD_MAX).</summary>
    public const long LargestBlock = 32L << 20;

    // Below this a block that passes leaves no hole worth the pages.
    private const long SmallestOfItsOwn = 1L << 20;

    /// <summary>
    /// Bytes to ask for, so that a block that soon passes has pages of its own: in the heap, what is kept behind it would take the first part
    /// of the hole it leaves, and the next one no longer fits there. Pages that are not written to take no memory.
    /// </summary>
    /// <param name="bytes">Bytes that are written.</param>
    public static long OfItsOwn(long bytes) => OperatingSystem.IsLinux() && bytes is >= SmallestOfItsOwn and <= LargestBlock ? LargestBlock + SmallestOfItsOwn : bytes;

    /// <summary>Gives the system back what was freed between blocks that are in use: glibc does it by itself only at the heap's end. Elsewhere nothing happens.</summary>
    public static void GiveBack()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no such call, and no heap that holds so much.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int Trim(nuint left);
}
