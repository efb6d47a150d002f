using AsFT.Torch.Alignment;
using AsFT.Torch.Runtime.Cpu;
using CsCheck;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

public sealed class SymmetricKernelTests
{
    private static readonly Gen<(int Layers, int Out, int In, int Rank, bool Adds, bool Wide)> Shapes = Gen.Select(
        Gen.Int[1, 3], Gen.Int[16, 150], Gen.Int[16, 90], Gen.Int[1, 20], Gen.Bool, Gen.Bool);

    [Fact]
    public void It_computes_what_the_products_give()
    {
        SkipWhereUnsupported();
        Shapes.Sample(shape => Check(shape.Layers, shape.Out, shape.In, shape.Rank, shape.Adds, shape.Wide), iter: 60, threads: 1);
    }

    [Theory]
    [InlineData(1, 1030, 64, 8)]
    [InlineData(3, 600, 600, 64)]
    public void Threads_share_large_matrices(int layers, int outFeatures, int inFeatures, int rank)
    {
        SkipWhereUnsupported();
        Check(layers, outFeatures, inFeatures, rank, true, true);
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        SkipWhereUnsupported();
        using var scope = NewDisposeScope();
        using var kernel = SymmetricKernel.TryCreate(rand(2, 700, 700), addsIdentity: true)!;
        Tensor a = randn(2, 8, 100), b = randn(2, 700, 8);
        var threads = get_num_threads();
        try
        {
            set_num_threads(1);
            var (values, halfA, halfB) = kernel.Compute(a, b, true);
            var one = (Values: values.clone(), HalfA: halfA!.clone(), HalfB: halfB!.clone());
            set_num_threads(3);
            for (var i = 0; i < 20; i++)
            {
                var three = kernel.Compute(a, b, true);
                Assert.True(three.Values.Equals(one.Values) && three.HalfA!.Equals(one.HalfA) && three.HalfB!.Equals(one.HalfB));
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void Other_formats_and_ranks_are_left_to_libtorch()
    {
        using var scope = NewDisposeScope();
        Assert.Null(SymmetricKernel.TryCreate(rand(1, 32, 32, dtype: ScalarType.Float64), addsIdentity: true));
        Assert.Null(SymmetricKernel.TryCreate(rand(1, 15, 15), addsIdentity: true));
        Assert.True(SymmetricKernel.Handles(rand(1, 4, 32), rand(1, 32, 4)));
        Assert.False(SymmetricKernel.Handles(rand(1, 4, 32, dtype: ScalarType.BFloat16), rand(1, 32, 4, dtype: ScalarType.BFloat16)));
        Assert.False(SymmetricKernel.Handles(rand(1, 65, 32), rand(1, 32, 65)));
        Assert.False(SymmetricKernel.Handles(rand(1, 4, 15), rand(1, 32, 4)));
    }

    private static void SkipWhereUnsupported()
    {
        if (!NarrowProduct.IsSupported) Assert.Skip("No vectors of 256 bits here; libtorch computes the penalty.");
    }

    private static void Check(int layers, int outFeatures, int inFeatures, int rank, bool adds, bool wide)
    {
        using var scope = NewDisposeScope();
        var half = randn(layers, outFeatures, outFeatures);
        var matrix = half + half.transpose(1, 2);
        // Both transposed views: what is handed in need not lie row by row.
        Tensor a = randn(layers, inFeatures, rank).transpose(1, 2), b = randn(layers, rank, outFeatures).transpose(1, 2);
        using var kernel = SymmetricKernel.TryCreate(matrix, adds, wide)!;
        Assert.True(SymmetricKernel.Handles(a, b));

        Tensor m = matrix.to(ScalarType.Float64), a64 = a.to(ScalarType.Float64), b64 = b.to(ScalarType.Float64);
        var y = adds ? m.bmm(b64).add(b64) : m.bmm(b64);
        Tensor s = b64.transpose(1, 2).bmm(y), gram = a64.bmm(a64.transpose(1, 2));
        // Twice: the second time in memory the first has used.
        for (var i = 0; i < 2; i++)
        {
            var (values, halfA, halfB) = kernel.Compute(a, b, withGradients: true);
            var size = (s.abs() * gram.abs()).sum([1, 2]);
            Assert.True(((values.to(ScalarType.Float64) - (s * gram).sum([1, 2])).abs() / size).max().item<double>() < 1e-5);
            Assert.True(TestLayers.RelativeError(halfA!, s.bmm(a64)) < 1e-5);
            Assert.True(TestLayers.RelativeError(halfB!, y.bmm(gram)) < 1e-5);
        }
        var (again, none, noneEither) = kernel.Compute(a, b, withGradients: false);
        Assert.True(none is null && noneEither is null && again.shape[0] == layers);
    }
}
