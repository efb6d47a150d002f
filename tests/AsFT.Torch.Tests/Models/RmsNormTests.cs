using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models;

public sealed class RmsNormTests
{
    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.BFloat16, 2e-2)]
    public void DividesByTheRootOfTheMeanSquarePlusEpsilon(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        double[] x = [0.5, -1, 0.25, 2], w = [1, 2, -1, 0.5];
        using var norm = new RmsNorm("norm", 4, epsilon: 0.125, NormKind.Weight, new WeightSource((_, _) => tensor(w, dtype: dtype)));
        var y = norm.forward(tensor(x, dtype: dtype).view(1, 4));
        Assert.Equal(dtype, y.dtype);
        var scale = 1 / Math.Sqrt(x.Sum(v => v * v) / 4 + 0.125);
        for (var i = 0; i < 4; i++)
            Assert.Equal(x[i] * scale * w[i], y[0, i].to(ScalarType.Float64).item<double>(), tolerance);
    }

    [Fact]
    public void HalfFormatsTakeTheirStatisticsInFloat32()
    {
        using var scope = NewDisposeScope();
        // 300² overflows float16.
        using var norm = new RmsNorm("norm", 4, epsilon: 1e-6, NormKind.Weight, new WeightSource((_, _) => ones(4, ScalarType.Float16)));
        var y = norm.forward(full([1, 4], 300, ScalarType.Float16));
        Assert.True(TinyLlama.MaxDifference(ones([1, 4]), y) < 1e-3);
    }
}
