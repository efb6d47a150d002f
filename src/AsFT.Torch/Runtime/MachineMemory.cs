using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Runtime;

/// <summary>How much memory a device has for a run that starts now.</summary>
internal static class MachineMemory
{
    /// <summary>Bytes that can be had without swapping on a CPU, container limits included; all bytes of a CUDA device.</summary>
    /// <param name="device">The device.</param>
    /// <returns>Null where the system does not tell.</returns>
    public static long? Available(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.type switch
        {
            DeviceType.CPU => Host(),
            DeviceType.CUDA => Cuda(Math.Max(0, device.index)),
            _ => null,
        };
    }

    private static long Host()
    {
        if (!OperatingSystem.IsLinux() || LinuxAvailable() is not { } free) return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return Math.Min(free, LeftInContainer() ?? free);
    }

    // What a control group of version 2 leaves: its limit less what is used, but for files that can be read again.
    private static long? LeftInContainer()
    {
        const string Folder = "/sys/fs/cgroup/", Key = "inactive_file ";
        try
        {
            if (!long.TryParse(File.ReadAllText(Folder + "memory.max"), CultureInfo.InvariantCulture, out var limit)) return null;
            var used = long.Parse(File.ReadAllText(Folder + "memory.current"), CultureInfo.InvariantCulture);
            var files = File.ReadLines(Folder + "memory.stat").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
            return Math.Max(0, limit - used + (files is null ? 0 : long.Parse(files.AsSpan(Key.Length), CultureInfo.InvariantCulture)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }

    private static long? LinuxAvailable()
    {
        const string Key = "MemAvailable:";
        try
        {
            // In KiB; counts what the page cache would give back.
            var line = File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
            return line is null ? null : long.Parse(line.AsSpan(Key.Length).Trim().TrimEnd("kB").Trim(), NumberStyles.None, CultureInfo.InvariantCulture) << 10;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }

    private static long? Cuda(int index) => CudaDriver.TotalMemory(index);
}
