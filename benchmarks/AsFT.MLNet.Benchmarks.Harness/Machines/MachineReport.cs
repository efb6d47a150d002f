using System.Runtime.InteropServices;
using AsFT.MLNet.Benchmarks.Harness.Timing;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Machines;

/// <summary>The machine that the figures belong to.</summary>
/// <param name="Processor">CPU model.</param>
/// <param name="Cores">Logical cores that this process may use.</param>
/// <param name="Threads">Threads that libtorch computes with.</param>
/// <param name="MemoryBytes">Memory that this process may use.</param>
/// <param name="System">Operating system and runtime.</param>
/// <param name="Device">Where models compute.</param>
/// <param name="DType">Their number format.</param>
/// <param name="Clock">How time is taken.</param>
/// <param name="Ceilings">What the machine does at most.</param>
public sealed record MachineReport(string Processor, int Cores, int Threads, long MemoryBytes, string System, string Device, string DType, string Clock, Ceilings Ceilings)
{
    internal static MachineReport Create(BenchSettings settings, DeviceClock clock, Ceilings ceilings) => new(
        ProcessorName(), Environment.ProcessorCount, get_num_threads(), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}",
        settings.Placement.Device.ToString(), settings.Placement.DType.ToString(), clock.Name, ceilings);

    private static string ProcessorName()
    {
        const string cpuInfo = "/proc/cpuinfo";
        var line = File.Exists(cpuInfo) ? File.ReadLines(cpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
