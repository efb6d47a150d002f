using AsFT.Torch.Generation.Cpu;

namespace AsFT.Torch.Tests.Generation.Cpu;

public sealed class SkinnyProductTests
{
    // Columns with and without a rest behind whole vectors; rows and outputs with and without a rest behind tiles of four.
    [Theory]
    [InlineData(1, 16, 4)]
    [InlineData(1, 24, 7)]
    [InlineData(3, 31, 9)]
    [InlineData(4, 48, 8)]
    [InlineData(7, 172, 13)]
    [InlineData(16, 64, 3)]
    [InlineData(21, 40, 20)]
    public unsafe void IsThePlainProduct(int rows, int columns, int outputs)
    {
        if (!SkinnyProduct.IsSupported) Assert.Skip("No vectors of 512 bits here.");
        var random = new Random(columns);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(2 * random.NextDouble() - 1))];
        var (x, w, padded, stride) = (Draw(rows * columns), Draw(outputs * columns), SkinnyProduct.Padded(columns), outputs + 2);
        var placed = new float[rows * padded];
        for (var r = 0; r < rows; r++)
            for (var c = 0; c < columns; c++) placed[r * padded + SkinnyProduct.Place(c, columns)] = x[r * columns + c];
        var y = new float[rows * stride];
        Array.Fill(y, 77);
        fixed (float* a = placed, b = w, to = y)
        {
            SkinnyProduct.Multiply(a, rows, b, columns, to, stride, 0, outputs / 2);
            SkinnyProduct.Multiply(a, rows, b, columns, to, stride, outputs / 2, outputs);
        }
        for (var r = 0; r < rows; r++)
            for (var j = 0; j < stride; j++)
            {
                var wanted = j >= outputs ? 77 : Enumerable.Range(0, columns).Sum(c => (double)x[r * columns + c] * w[j * columns + c]);
                Assert.Equal(wanted, y[r * stride + j], 1e-5 * columns);
            }
    }

    [Fact]
    public unsafe void TheLargestIsFoundAsLibtorchFindsIt()
    {
        float[][] rows = [[1, 3, 2, 3], [-5], [float.NegativeInfinity, float.NegativeInfinity], [1, float.NaN, float.PositiveInfinity, float.NaN]];
        Assert.Equal([1, 0, 0, 1], rows.Select(row =>
        {
            fixed (float* x = row) return RowMath.LargestAt(x, row.Length);
        }));
    }
}
