using AsFT.Torch.Runtime.Cpu;

namespace AsFT.Torch.Tests.Runtime.Cpu;

public sealed class NarrowProductTests
{
    // Lengths with and without a rest behind whole vectors, in one piece and in several; rows with and without a rest
    // behind tiles of three, fewer than a tile, and more than one pass.
    public static readonly TheoryData<int, int, int> Shapes = new()
    {
        { 1, 16, 4 }, { 1, 24, 7 }, { 1, 31, 1 }, { 2, 16, 2 }, { 3, 31, 9 }, { 4, 48, 8 }, { 7, 172, 13 }, { 8, 40, 200 },
        { 16, 64, 3 }, { 16, 400, 5 }, { 21, 1001, 20 }, { 64, 333, 400 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public unsafe void It_is_the_plain_product(int columns, int length, int rows)
    {
        var random = new Random(length);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(2 * random.NextDouble() - 1))];
        var (x, w, padded) = (Draw(length * columns), Draw(rows * length), NarrowProduct.PaddedColumns(columns));
        var packed = new float[padded * NarrowProduct.Stride(length)];
        foreach (var isWide in new[] { false, true })
        {
            var y = new float[(rows + 1) * padded];
            Array.Fill(y, 77);
            fixed (float* a = x, b = packed, c = w, to = y)
            {
                NarrowProduct.Pack(a, length, columns, b);
                NarrowProduct.Multiply(c, length, b, padded, to, 0, rows / 2, isWide);
                NarrowProduct.Multiply(c, length, b, padded, to, rows / 2, rows, isWide);
            }
            for (var i = 0; i < rows; i++)
                for (var c = 0; c < columns; c++)
                {
                    var wanted = Enumerable.Range(0, length).Sum(k => (double)w[i * length + k] * x[k * columns + c]);
                    Assert.Equal(wanted, y[i * padded + c], 1e-5 * Math.Sqrt(length));
                }
            Assert.All(y[(rows * padded)..], left => Assert.Equal(77, left));
        }
    }

    [Fact]
    public void Columns_never_lie_a_power_of_two_apart()
    {
        foreach (var length in Enumerable.Range(16, 9000)) Assert.NotEqual(1, System.Numerics.BitOperations.PopCount((uint)NarrowProduct.Stride(length)));
    }
}
