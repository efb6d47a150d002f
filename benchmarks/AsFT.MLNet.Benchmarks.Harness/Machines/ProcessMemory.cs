using System.Globalization;

namespace AsFT.MLNet.Benchmarks.Harness.Machines;

/// <summary>Resident memory of this process, as Linux counts it.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status", ClearReferences = "/proc/self/clear_refs";

    /// <summary>Whether the figures are there.</summary>
    public static bool IsKnown { get; } = OperatingSystem.IsLinux() && File.Exists(Status);

    /// <summary>Bytes resident now.</summary>
    public static long Resident => Read("VmRSS:");

    /// <summary>Most bytes ever resident since the start or the last <see cref="TryResetPeak"/>.</summary>
    public static long Peak => Read("VmHWM:");

    /// <summary>Lets <see cref="Peak"/> begin anew; not every kernel allows it.</summary>
    public static bool TryResetPeak()
    {
        if (!IsKnown) return false;
        try
        {
            File.WriteAllText(ClearReferences, "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long Read(string field)
    {
        if (!IsKnown) return -1;
        var line = File.ReadLines(Status).First(l => l.StartsWith(field, StringComparison.Ordinal));
        return 1024 * long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
    }
}
