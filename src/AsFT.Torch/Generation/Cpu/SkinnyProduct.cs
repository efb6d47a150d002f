using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>
/// X·Wᵀ for an X of few rows: what decoding multiplies. W is read from memory once, in the order in which it lies, and
/// four of its rows meet four rows of X in registers. A general matrix product packs W first, which costs as much as
/// reading it, and libtorch's reaches 63 % of the read bandwidth with one row and half of its own GEMM rate with 16.
/// </summary>
/// <remarks>
/// Rows of X are padded to whole vectors (<see cref="Padded"/>). W is not, so the last vector of a row of W is the
/// last 16 numbers of that row; X stands opposite with zeros where the two last vectors overlap (<see cref="Place"/>).
/// </remarks>
internal static unsafe class SkinnyProduct
{
    /// <summary>Numbers in a vector; rows must have as many at least.</summary>
    public const int Width = 16;

    /// <summary>Whether the kernels run in hardware; else they would be slower than libtorch.</summary>
    public static bool IsSupported => Vector512.IsHardwareAccelerated;

    /// <summary>Numbers from one row of X to the next.</summary>
    public static int Padded(int columns) => (columns + Width - 1) / Width * Width;

    /// <summary>Where column <paramref name="column"/> stands in a row of X; what no column claims stays 0.</summary>
    public static int Place(int column, int columns)
    {
        var tail = columns % Width;
        return column < columns - tail ? column : column + Width - tail;
    }

    /// <summary>y[r, j] = x[r]·w[j] for all rows r and outputs j of a range.</summary>
    /// <param name="x">(rows × <see cref="Padded"/>(columns)).</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="w">(outputs × columns).</param>
    /// <param name="columns">At least <see cref="Width"/>.</param>
    /// <param name="y">(rows × …).</param>
    /// <param name="stride">Numbers from one row of y to the next.</param>
    /// <param name="from">First output.</param>
    /// <param name="to">Last output + 1.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* x, int rows, float* w, int columns, float* y, int stride, int from, int to)
    {
        var padded = Padded(columns);
        var j = from;
        for (; j + 4 <= to; j += 4)
        {
            var four = w + (long)j * columns;
            var r = 0;
            // While four rows of W are multiplied, the next four are fetched: a quarter of them with each tile of 16 rows.
            for (; r + 4 <= rows; r += 4)
                Tile(x + r * padded, padded, four, columns, four + (4 + r / 4 % 4) * (long)columns, y + (long)r * stride + j, stride);
            for (; r < rows; r++) Row(x + r * padded, padded, four, columns, y + (long)r * stride + j);
        }
        for (; j < to; j++)
            for (var r = 0; r < rows; r++) y[(long)r * stride + j] = One(x + r * padded, padded, w + (long)j * columns, columns);
    }

    /// <summary>Four rows of x by four of w.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile(float* x, int padded, float* w, int columns, float* ahead, float* y, int stride)
    {
        Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default, a10 = default, a11 = default, a12 = default, a13 = default;
        Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default, a30 = default, a31 = default, a32 = default, a33 = default;
        float* w1 = w + columns, w2 = w1 + columns, w3 = w2 + columns, x1 = x + padded, x2 = x1 + padded, x3 = x2 + padded;
        for (var i = 0; i < padded; i += Width)
        {
            var c = Math.Min(i, columns - Width);
            if (Sse.IsSupported) Sse.Prefetch0(ahead + i);
            Vector512<float> p = Vector512.Load(w + c), q = Vector512.Load(w1 + c), s = Vector512.Load(w2 + c), t = Vector512.Load(w3 + c);
            var u = Vector512.Load(x + i);
            a00 = Vector512.FusedMultiplyAdd(u, p, a00);
            a01 = Vector512.FusedMultiplyAdd(u, q, a01);
            a02 = Vector512.FusedMultiplyAdd(u, s, a02);
            a03 = Vector512.FusedMultiplyAdd(u, t, a03);
            u = Vector512.Load(x1 + i);
            a10 = Vector512.FusedMultiplyAdd(u, p, a10);
            a11 = Vector512.FusedMultiplyAdd(u, q, a11);
            a12 = Vector512.FusedMultiplyAdd(u, s, a12);
            a13 = Vector512.FusedMultiplyAdd(u, t, a13);
            u = Vector512.Load(x2 + i);
            a20 = Vector512.FusedMultiplyAdd(u, p, a20);
            a21 = Vector512.FusedMultiplyAdd(u, q, a21);
            a22 = Vector512.FusedMultiplyAdd(u, s, a22);
            a23 = Vector512.FusedMultiplyAdd(u, t, a23);
            u = Vector512.Load(x3 + i);
            a30 = Vector512.FusedMultiplyAdd(u, p, a30);
            a31 = Vector512.FusedMultiplyAdd(u, q, a31);
            a32 = Vector512.FusedMultiplyAdd(u, s, a32);
            a33 = Vector512.FusedMultiplyAdd(u, t, a33);
        }
        Sums(a00, a01, a02, a03).Store(y);
        Sums(a10, a11, a12, a13).Store(y + stride);
        Sums(a20, a21, a22, a23).Store(y + 2L * stride);
        Sums(a30, a31, a32, a33).Store(y + 3L * stride);
    }

    /// <summary>One row of x by four of w.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row(float* x, int padded, float* w, int columns, float* y)
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        float* w1 = w + columns, w2 = w1 + columns, w3 = w2 + columns;
        for (var i = 0; i < padded; i += Width)
        {
            var at = Math.Min(i, columns - Width);
            var u = Vector512.Load(x + i);
            a = Vector512.FusedMultiplyAdd(u, Vector512.Load(w + at), a);
            b = Vector512.FusedMultiplyAdd(u, Vector512.Load(w1 + at), b);
            c = Vector512.FusedMultiplyAdd(u, Vector512.Load(w2 + at), c);
            d = Vector512.FusedMultiplyAdd(u, Vector512.Load(w3 + at), d);
        }
        Sums(a, b, c, d).Store(y);
    }

    private static float One(float* x, int padded, float* w, int columns)
    {
        Vector512<float> a = default;
        for (var i = 0; i < padded; i += Width)
            a = Vector512.FusedMultiplyAdd(Vector512.Load(x + i), Vector512.Load(w + Math.Min(i, columns - Width)), a);
        return Vector512.Sum(a);
    }

    /// <summary>The sums of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        static Vector128<float> Quarter(Vector512<float> v)
        {
            var half = v.GetLower() + v.GetUpper();
            return half.GetLower() + half.GetUpper();
        }
        var (p, q, r, s) = (Quarter(a), Quarter(b), Quarter(c), Quarter(d));
        if (Sse3.IsSupported) return Sse3.HorizontalAdd(Sse3.HorizontalAdd(p, q), Sse3.HorizontalAdd(r, s));
        return Vector128.Create(Vector128.Sum(p), Vector128.Sum(q), Vector128.Sum(r), Vector128.Sum(s));
    }
}
