using AsFT.Torch.Generation.Cpu;

namespace AsFT.Torch.Tests.Generation.Cpu;

public sealed class RowMathTests
{
    [Fact]
    public unsafe void The_largest_is_found_as_libtorch_finds_it()
    {
        float[] Long(params (int At, float Value)[] numbers)
        {
            var row = new float[67];
            foreach (var (at, value) in numbers) row[at] = value;
            return row;
        }
        float[][] rows = [[1, 3, 2, 3], [-5], [float.NegativeInfinity, float.NegativeInfinity], [1, float.NaN, float.PositiveInfinity, float.NaN],
            Long((20, 2), (41, 3), (42, 3), (66, 3)), Long((66, 1)), Long((9, 5), (33, float.NaN), (50, float.PositiveInfinity)), Long((0, float.NaN), (40, float.NaN))];
        Assert.Equal([1, 0, 0, 1, 41, 66, 33, 0], rows.Select(row =>
        {
            fixed (float* x = row) return RowMath.LargestAt(x, row.Length);
        }));
    }

    [Theory]
    [InlineData(8, 8, 8)]
    [InlineData(13, 8, 5)]
    [InlineData(3, 16, 11)]
    [InlineData(192, 24, 21)]
    public unsafe void Transposing_writes_the_rows_and_nothing_else(int count, int columns, int rows)
    {
        var stride = count + 3;
        float[] x = [.. Enumerable.Range(0, count * columns)], y = new float[(rows + 1) * stride];
        Array.Fill(y, -1);
        fixed (float* from = x, to = y) RowMath.Transpose(from, count, columns, to, rows, stride);
        for (var r = 0; r <= rows; r++)
            for (var i = 0; i < stride; i++) Assert.Equal(r < rows && i < count ? x[i * columns + r] : -1, y[r * stride + i]);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(64)]
    [InlineData(44)]
    public unsafe void A_head_is_rotated_half_against_half(int size)
    {
        var random = new Random(size);
        float[] Draw() => [.. Enumerable.Range(0, size).Select(_ => random.NextSingle() - 0.5f)];
        float[] x = Draw(), cos = Draw(), sin = Draw(), result = new float[size];
        fixed (float* a = x, b = result, c = cos, d = sin) RowMath.Rotate(a, b, c, d, size);
        for (var i = 0; i < size; i++) Assert.Equal(x[i] * cos[i] + x[(i + size / 2) % size] * sin[i], result[i], 1e-6);
    }
}
