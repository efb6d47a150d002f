using static TorchSharp.torch;

namespace AsFT.Torch.Tests;

/// <summary>The peak of the process's resident memory, read from Linux; nothing else may run beside what measures it.</summary>
internal static class PeakMemory
{
    private const long Slack = 8 << 20;

    /// <summary>Bytes by which the peak rises while an action runs for a second time and more.</summary>
    public static long Growth(Action action)
    {
        void Run()
        {
            using var scope = NewDisposeScope();
            action();
        }
        Run();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // The peak is that of the whole process. When something else gives memory back meanwhile (the system drops pages of
        // files when memory is short, the runtime its heap), a growth of that size hides below the old peak: not a measurement.
        for (var attempt = 0; attempt < 50; attempt++)
        {
            // 5 sets the recorded peak back to what is resident now.
            File.WriteAllText("/proc/self/clear_refs", "5");
            var before = StatusBytes("VmHWM:");
            for (var i = 0; i < 3; i++) Run();
            if (before - StatusBytes("VmRSS:") < Slack) return StatusBytes("VmHWM:") - before;
        }
        throw new InvalidOperationException("The process kept shrinking while it was measured.");
    }

    private static long StatusBytes(string line) => 1024 * long.Parse(File.ReadLines("/proc/self/status").Single(text => text.StartsWith(line, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
}
