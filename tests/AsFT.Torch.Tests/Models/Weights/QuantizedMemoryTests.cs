using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Weights;

/// <summary>Measures the process, so nothing else may run beside it.</summary>
[CollectionDefinition(nameof(QuantizedMemoryTests), DisableParallelization = true)]
[Collection(nameof(QuantizedMemoryTests))]
public sealed class QuantizedMemoryTests
{
    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Nf4)]
    public void OneMatrixIsDenseAtATimeThroughAllProductsAndTheirGradients(WeightFormat format)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of resident memory is read from /proc.");
        const long Size = 4096, MatrixBytes = Size * Size * sizeof(float);
        using var scope = NewDisposeScope();
        using var matrix = QuantizedMatrixTests.Quantize(format, ones([Size, Size]), ScalarType.Float32);
        Assert.InRange(PeakMemory.Growth(() =>
        {
            var x = ones([1L, Size]);
            x.requires_grad = true;
            var y = x;
            for (var i = 0; i < 4; i++) y = matrix.Multiply(y);
            y.sum().backward();
            Assert.Equal(Size, x.grad!.numel());
        }), MatrixBytes / 2, 2 * MatrixBytes);
    }
}
