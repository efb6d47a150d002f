using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Weights;

public sealed class QuantizedMatrixTests
{
    public static TheoryData<WeightFormat, ScalarType> Formats => new(
        from format in new[] { WeightFormat.Int8, WeightFormat.Nf4 }
        from dtype in new[] { ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float64 }
        select (format, dtype));

    [Theory]
    [MemberData(nameof(Formats))]
    public void ProductAndGradientAreThoseOfTheNumbersItHolds(WeightFormat format, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        // 40 columns: blocks of 64 do not end with rows, and the last is not whole.
        using var matrix = Quantize(format, RandomMatrix(37, 40), dtype);
        var bias = randn([37L], dtype);
        Tensor One(WeightMatrix weights, out Tensor gradient)
        {
            var x = arange(3 * 5 * 40, dtype: ScalarType.Float32).sin().view(3, 5, 40).to(dtype);
            x.requires_grad = true;
            var y = weights.Multiply(x, bias);
            (y * y).sum().backward();
            gradient = x.grad!;
            return y;
        }
        using var dense = new Parameter(matrix.Dense(), requires_grad: false);
        var expected = One(new DenseMatrix(dense), out var expectedGradient);
        var actual = One(matrix, out var actualGradient);
        Assert.Equal(0, expected.ne(actual).sum().item<long>());
        Assert.Equal(0, expectedGradient.ne(actualGradient).sum().item<long>());
        Assert.Equal(dtype, matrix.Dense().dtype);
        Assert.Equal(0, matrix.MultiplyBack(expected.detach()).ne(expected.detach().matmul(dense)).sum().item<long>());
    }

    [Fact]
    public void SizesOfTheFormats()
    {
        using var scope = NewDisposeScope();
        var weight = RandomMatrix(512, 1024);
        using var eight = Quantize(WeightFormat.Int8, weight, ScalarType.Float32);
        using var four = Quantize(WeightFormat.Nf4, weight, ScalarType.Float32);
        Assert.Equal(512 * 1024 + 4 * 512, eight.ByteCount);
        // Half a byte, a byte for 64 numbers, 4 for 256 of those, and the map.
        Assert.Equal(512 * 512 + 512 * 16 + 4 * 32 + 1024, four.ByteCount);
    }

    [Theory]
    [InlineData(WeightFormat.Int8, float.NaN)]
    [InlineData(WeightFormat.Nf4, float.NegativeInfinity)]
    [InlineData(WeightFormat.Int8, 70000f)]
    public void NumbersThatWouldBeHiddenAreRefused(WeightFormat format, float number)
    {
        using var scope = NewDisposeScope();
        var weight = RandomMatrix(4, 64);
        weight[2, 3] = number;
        Assert.Contains("'some.weight'", Assert.Throws<InvalidDataException>(() => Quantize(format, weight, ScalarType.Float32)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void QuantisedWeightsCannotBeWrittenTo()
    {
        using var scope = NewDisposeScope();
        using var matrix = Quantize(WeightFormat.Nf4, RandomMatrix(4, 64), ScalarType.Float32);
        Assert.Contains("Nf4", Assert.Throws<InvalidOperationException>(() => matrix.Parameter).Message, StringComparison.Ordinal);
    }

    internal static QuantizedMatrix Quantize(WeightFormat format, Tensor weight, ScalarType dtype) => format == WeightFormat.Int8
        ? Int8Matrix.Quantize(weight, "some.weight", dtype, CPU) : Nf4Matrix.Quantize(weight, "some.weight", dtype, CPU);

    private static Tensor RandomMatrix(long rows, long columns) => randn([rows, columns], generator: new Generator(3)).mul_(0.05);
}
