using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>Float32 products in which one side has few rows or columns; too small for a call into libtorch.</summary>
internal static unsafe class SmallProducts
{
    private const int Width = 8;

    /// <summary>G = A·Aᵀ.</summary>
    /// <param name="a">(rows × columns).</param>
    /// <param name="rows">Rows of A.</param>
    /// <param name="columns">Columns of A.</param>
    /// <param name="gram">(rows × …).</param>
    /// <param name="stride">Numbers from one row of G to the next.</param>
    public static void Gram(float* a, int rows, int columns, float* gram, int stride)
    {
        for (var p = 0; p < rows; p++)
            for (var q = 0; q <= p; q++)
                gram[p * stride + q] = gram[q * stride + p] = Dot(a + (long)p * columns, a + (long)q * columns, columns);
    }

    /// <summary>S = Bᵀ·Y.</summary>
    /// <param name="b">(rows × rank).</param>
    /// <param name="y">(rows × stride), stride a multiple of 8.</param>
    /// <param name="rows">Rows of both.</param>
    /// <param name="rank">Columns of B.</param>
    /// <param name="s">(rank × stride).</param>
    /// <param name="stride">Columns of Y and S.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Inner(float* b, float* y, int rows, int rank, float* s, int stride)
    {
        for (var q = 0; q < stride; q += Width)
            for (var p = 0; p < rank; p += 4)
            {
                int last = rank - 1, p0 = p, p1 = Math.Min(p + 1, last), p2 = Math.Min(p + 2, last), p3 = Math.Min(p + 3, last);
                Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default, t0 = default, t1 = default, t2 = default, t3 = default;
                float* left = b, right = y + q;
                var i = 0;
                // Two rows at a time: sums of their own hide the time an addition takes.
                for (; i + 2 <= rows; i += 2)
                {
                    var u = Vector256.Load(right);
                    s0 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p0]), u, s0);
                    s1 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p1]), u, s1);
                    s2 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p2]), u, s2);
                    s3 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p3]), u, s3);
                    left += rank;
                    u = Vector256.Load(right + stride);
                    t0 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p0]), u, t0);
                    t1 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p1]), u, t1);
                    t2 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p2]), u, t2);
                    t3 = Vector256.MultiplyAddEstimate(Vector256.Create(left[p3]), u, t3);
                    left += rank;
                    right += 2 * stride;
                }
                if (i < rows)
                {
                    var u = Vector256.Load(right);
                    s0 += Vector256.Create(left[p0]) * u;
                    s1 += Vector256.Create(left[p1]) * u;
                    s2 += Vector256.Create(left[p2]) * u;
                    s3 += Vector256.Create(left[p3]) * u;
                }
                (s3 + t3).Store(s + p3 * stride + q);
                (s2 + t2).Store(s + p2 * stride + q);
                (s1 + t1).Store(s + p1 * stride + q);
                (s0 + t0).Store(s + p0 * stride + q);
            }
    }

    /// <summary>M·N.</summary>
    /// <param name="m">(rows × …).</param>
    /// <param name="mStride">Numbers from one row of M to the next.</param>
    /// <param name="n">(inner × …); a row narrower than 8 must be filled up to 8.</param>
    /// <param name="nStride">Numbers from one row of N to the next.</param>
    /// <param name="result">(rows × columns).</param>
    /// <param name="rows">Rows of M.</param>
    /// <param name="inner">Columns of M.</param>
    /// <param name="columns">Columns of N.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* m, int mStride, float* n, int nStride, float* result, int rows, int inner, int columns)
    {
        var narrow = stackalloc float[Width];
        for (var i = 0; i < rows; i++, m += mStride, result += columns)
            for (var j = 0; j < columns; j += Width)
            {
                // The last block overlaps the one before it.
                var at = columns < Width ? 0 : Math.Min(j, columns - Width);
                Vector256<float> sum = default;
                for (var k = 0; k < inner; k++) sum = Vector256.MultiplyAddEstimate(Vector256.Create(m[k]), Vector256.Load(n + (long)k * nStride + at), sum);
                if (columns >= Width)
                    sum.Store(result + at);
                else
                {
                    sum.Store(narrow);
                    for (var k = 0; k < columns; k++) result[k] = narrow[k];
                }
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* a, float* b, int count)
    {
        Vector256<float> s = default, t = default, u = default, v = default;
        var i = 0;
        for (; i + 4 * Width <= count; i += 4 * Width)
        {
            s = Vector256.MultiplyAddEstimate(Vector256.Load(a + i), Vector256.Load(b + i), s);
            t = Vector256.MultiplyAddEstimate(Vector256.Load(a + i + Width), Vector256.Load(b + i + Width), t);
            u = Vector256.MultiplyAddEstimate(Vector256.Load(a + i + 2 * Width), Vector256.Load(b + i + 2 * Width), u);
            v = Vector256.MultiplyAddEstimate(Vector256.Load(a + i + 3 * Width), Vector256.Load(b + i + 3 * Width), v);
        }
        var total = Vector256.Sum(s + t + (u + v));
        for (; i < count; i++) total += a[i] * b[i];
        return total;
    }
}
