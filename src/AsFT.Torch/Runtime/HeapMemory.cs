using System.Runtime.InteropServices;

namespace AsFT.Torch.Runtime;

/// <summary>The C library's heap, from which libtorch takes its memory on a CPU.</summary>
internal static partial class HeapMemory
{
    /// <summary>Gives the system back what was freed between blocks that are in use: glibc does it by itself only at the heap's end. Elsewhere nothing happens.</summary>
    public static void GiveBack()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            Trim(0);
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
