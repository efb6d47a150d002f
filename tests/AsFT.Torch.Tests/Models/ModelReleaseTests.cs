using System.Runtime.InteropServices;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Training;

namespace AsFT.Torch.Tests.Models;

/// <summary>Measures the process's heap, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(ModelReleaseTests), DisableParallelization = true)]
[Collection(nameof(ModelReleaseTests))]
public sealed class ModelReleaseTests
{
    [Fact]
    public void Making_and_freeing_a_model_leaves_next_to_nothing_whatever_its_layers()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "glibc's heap is what is measured.");
        var config = SmallRun.Config with { LayerCount = 24 };
        void Load()
        {
            using var model = CausalLanguageModel.Create(config, SmallRun.Placement, seed: 1);
        }
        // The heap's own caches fill first, so the least of several rounds counts; 24 layers of modules left 18 kB each time.
        const int Loads = 60;
        var least = Enumerable.Range(0, 5).Min(_ =>
        {
            var before = InUse();
            for (var i = 0; i < Loads; i++) Load();
            return (InUse() - before) / Loads;
        });
        Assert.InRange(least, long.MinValue, 2_000);
    }

    private static long InUse()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        var heap = mallinfo2();
        return heap.Used + heap.Mapped;
    }

    [DllImport("libc")]
    private static extern HeapInfo mallinfo2();

    /// <summary>glibc's <c>struct mallinfo2</c>: of its ten fields the bytes of large blocks (fifth) and of small ones (eighth) that are in use.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 80)]
    private struct HeapInfo
    {
        [FieldOffset(32)]
        public long Mapped;

        [FieldOffset(56)]
        public long Used;
    }
}
