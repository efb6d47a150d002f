using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>A tensor's memory, in parts that a span can hold.</summary>
internal static class TensorMemory
{
    /// <summary>Bytes per part: large enough for sequential speed, small enough not to count beside the weights.</summary>
    public const long PartBytes = 16 << 20;

    /// <summary>Parts of a one-dimensional tensor.</summary>
    public static IEnumerable<(long Start, long Count)> Parts(long elements, int elementSize)
    {
        var most = PartBytes / elementSize;
        for (var start = 0L; start < elements; start += most) yield return (start, Math.Min(most, elements - start));
    }

    /// <summary>The type whose memory is read and written in place of <paramref name="dtype"/>: any byte makes a Byte, only 0 and 1 make a Bool.</summary>
    public static ScalarType InFile(ScalarType dtype) => dtype == ScalarType.Bool ? ScalarType.Byte : dtype;

    /// <summary>First byte of a contiguous CPU tensor that is not empty. A span cannot hold a large tensor; the memory stays where it is while the tensor lives.</summary>
    public static unsafe byte* Pointer(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var first = tensor.detach().view(-1).narrow(0, 0, 1);
        fixed (byte* pointer = first.bytes) return pointer;
    }

    /// <summary>
    /// Asks Linux for pages of 2 MiB below memory that is about to be written for the first time: handing out 4 KiB at a
    /// time can cost more than reading the file. A wish only; whole pages within the range, so that no byte more is taken.
    /// </summary>
    public static unsafe void PreferLargePages(byte* start, long bytes)
    {
        const long LargePage = 2 << 20;
        const int HugePages = 14;
        if (!OperatingSystem.IsLinux()) return;
        var first = ((long)start + LargePage - 1) / LargePage * LargePage;
        var count = ((long)start + bytes - first) / LargePage * LargePage;
        if (count > 0) _ = Advise((nint)first, (nuint)count, HugePages);
    }

    [DllImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Advise(nint start, nuint length, int advice);
}
