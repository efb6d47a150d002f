using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Tests.Alignment;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

/// <summary>Measures the process, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(MergeMemoryTests), DisableParallelization = true)]
[Collection(nameof(MergeMemoryTests))]
public sealed class MergeMemoryTests
{
    [Fact]
    public void Merging_and_unmerging_hold_one_layers_update_at_a_time()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of resident memory is read from /proc.");
        // 64 MiB each: always fresh pages, never memory that an allocator kept.
        const long Size = 4096, MatrixBytes = Size * Size * sizeof(float);
        using var scope = NewDisposeScope();
        var layers = Enumerable.Range(0, 4).Select(i => TestLayers.Random($"l{i}", Size, Size, 2, dtype: ScalarType.Float32)).ToArray();
        using var adapter = new LoraAdapter(new LoraOptions { Rank = 2, Dropout = 0 }, layers, dropout: null);
        Assert.InRange(PeakMemory.Growth(() =>
        {
            adapter.Merge();
            adapter.Unmerge();
        }), MatrixBytes / 2, 2 * MatrixBytes);
    }

    [Fact]
    public void Tensors_made_one_by_one_are_freed_one_by_one_and_read_back_the_same()
    {
        var folder = Directory.CreateTempSubdirectory("asft-stream-").FullName;
        try
        {
            var statistics = DisposeScopeManager.Statistics.TensorStatistics;
            var (before, most) = (statistics.ThreadTotalLiveCount, 0L);
            Tensor Make(int i)
            {
                most = Math.Max(most, statistics.ThreadTotalLiveCount - before);
                return full([3, 5], (float)i) + 0.5f;
            }
            foreach (var limit in new long[] { 5_000_000_000, 200 })
            {
                ModelCheckpoint.SaveOneByOne(folder, Enumerable.Range(0, 9).Select(i => (new TensorPlan($"t{i}", SafetensorsDType.F32, [3L, 5]), (Func<Tensor>)(() => Make(i)))), limit);
                using var checkpoint = ModelCheckpoint.Open(folder);
                Assert.Equal(limit == 200 ? 3 : 1, checkpoint.Files.Count);
                for (var i = 0; i < 9; i++)
                {
                    using var read = checkpoint.Read($"t{i}");
                    Assert.All(read.data<float>().ToArray(), value => Assert.Equal(i + 0.5f, value));
                }
            }
            Assert.InRange(most, 0, 1);
            var error = Assert.Throws<InvalidOperationException>(() => ModelCheckpoint.SaveOneByOne(folder, [(new TensorPlan("t", SafetensorsDType.F32, [2L]), () => ones(3))]));
            Assert.Contains("'t' was announced as", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
