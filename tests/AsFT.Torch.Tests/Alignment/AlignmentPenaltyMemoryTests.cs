using AsFT.Torch.Alignment;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

/// <summary>Measures the process, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(AlignmentPenaltyMemoryTests), DisableParallelization = true)]
[Collection(nameof(AlignmentPenaltyMemoryTests))]
public sealed class AlignmentPenaltyMemoryTests
{
    public static TheoryData<AlignmentProjection> Projections { get; } = new(Enum.GetValues<AlignmentProjection>());

    [Theory]
    [MemberData(nameof(Projections))]
    public void A_step_leaves_no_tensor_behind(AlignmentProjection projection)
    {
        using var scope = NewDisposeScope();
        var layers = Enumerable.Range(0, 4).Select(i => TestLayers.Random($"l{i}", 16 + 16 * (i % 2), 12, 2)).ToArray();
        using var direction = AlignmentDirection.FromTensors(layers.ToDictionary(layer => layer.Name, layer => randn(layer.B.shape[0], 12)));
        using var penalty = new AlignmentPenalty(direction, layers, new() { Projection = projection });
        void Step()
        {
            using var step = NewDisposeScope();
            penalty.AccumulateGradients(1);
            penalty.Evaluate();
            penalty.AnchoredShare();
        }
        Step();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 200; i++) Step();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    // 64 MiB each: always fresh pages, never memory that an allocator kept.
    private const long Size = 4096, MatrixBytes = Size * Size * sizeof(float);

    [Theory]
    [InlineData(AlignmentProjection.Reference, 64)]
    [InlineData(AlignmentProjection.Subspace, 64)]
    [InlineData(AlignmentProjection.Guard, 64)]
    [InlineData(AlignmentProjection.Flattened, Size)]
    [InlineData(AlignmentProjection.None, Size)]
    public void A_step_allocates_nothing_of_the_weight_matrix_size(AlignmentProjection projection, long inFeatures)
    {
        using var scope = NewDisposeScope();
        var layer = TestLayers.Random("a", Size, inFeatures, 8, dtype: ScalarType.Float32);
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["a"] = rand(Size, inFeatures) });
        using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = projection });
        RequireSmall(() => penalty.AccumulateGradients(1));
    }

    private static void RequireSmall(Action step)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of resident memory is read from /proc.");
        var factor = rand(Size, 8);
        Assert.True(PeakMemory.Growth(() => factor.mm(factor.t())) > MatrixBytes / 2, "The measure does not see a matrix product.");
        Assert.True(PeakMemory.Growth(step) < MatrixBytes / 2);
    }
}
