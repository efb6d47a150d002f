using System.Runtime.InteropServices;

namespace AsFT.Torch.Runtime;

/// <summary>What libtorch's binding does not tell about a CUDA device, from the driver's own interface, which is there wherever CUDA is. It needs no context.</summary>
internal static class CudaDriver
{
    private const int CapabilityMajor = 75, CapabilityMinor = 76;

    /// <summary>Bytes of a device's memory; null where there is no such driver.</summary>
    public static long? TotalMemory(int index) =>
        Find(index, out var driver, out var device) && Function<GetTotalMemory>(driver, "cuDeviceTotalMem_v2") is { } total && total(out var bytes, device) == 0 ? (long)bytes : null;

    /// <summary>A device's compute capability; null where there is no such driver, as with AMD's devices, which libtorch calls CUDA too.</summary>
    public static Version? ComputeCapability(int index) =>
        Find(index, out var driver, out var device) && Function<GetAttribute>(driver, "cuDeviceGetAttribute") is { } attribute
        && attribute(out var major, CapabilityMajor, device) == 0 && attribute(out var minor, CapabilityMinor, device) == 0 ? new Version(major, minor) : null;

    private static bool Find(int index, out nint driver, out int device)
    {
        device = 0;
        return NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out driver)
            && Function<Initialize>(driver, "cuInit")?.Invoke(0) == 0
            && Function<GetDevice>(driver, "cuDeviceGet") is { } get && get(out device, index) == 0;
    }

    private static T? Function<T>(nint library, string name) where T : Delegate =>
        NativeLibrary.TryGetExport(library, name, out var address) ? Marshal.GetDelegateForFunctionPointer<T>(address) : null;

    private delegate int Initialize(uint flags);

    private delegate int GetDevice(out int device, int ordinal);

    private delegate int GetTotalMemory(out nuint bytes, int device);

    private delegate int GetAttribute(out int value, int attribute, int device);
}
