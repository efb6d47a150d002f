using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>
/// The innermost loops of <see cref="NarrowProduct"/>: what fits into registers. A tile multiplies numbers
/// <c>at</c> … <c>end</c> − 1 of its rows and adds to y unless it begins at 0, and fetches the rows behind its own, which are next.
/// </summary>
internal static unsafe class NarrowTiles
{
    /// <summary>Rows of W in a tile.</summary>
    public const int Rows = 3;

    private const int Block = NarrowProduct.Block;

    /// <summary>Three rows by eight columns: 24 sums, and 8 registers of 512 bits for W and X.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Wide(float* w, int length, float* x, int stride, float* y, int columns, int at, int end, bool fetches)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        var last = length - Block;
        float* w1 = w + length, w2 = w1 + length, ahead = w2 + length, ahead1 = ahead + length, ahead2 = ahead1 + length;
        long s = stride, s3 = 3L * stride;
        for (var i = at; i < end; i += Block)
        {
            if (fetches && Sse.IsSupported)
            {
                Sse.Prefetch0(ahead + i);
                Sse.Prefetch0(ahead1 + i);
                Sse.Prefetch0(ahead2 + i);
            }
            var j = Math.Min(i, last);
            Vector512<float> p = Vector512.Load(w + j), q = Vector512.Load(w1 + j), r = Vector512.Load(w2 + j);
            float* x0 = x + i, x4 = x0 + 4 * s;
            var u = Vector512.Load(x0);
            a0 = Vector512.FusedMultiplyAdd(p, u, a0);
            b0 = Vector512.FusedMultiplyAdd(q, u, b0);
            c0 = Vector512.FusedMultiplyAdd(r, u, c0);
            u = Vector512.Load(x0 + s);
            a1 = Vector512.FusedMultiplyAdd(p, u, a1);
            b1 = Vector512.FusedMultiplyAdd(q, u, b1);
            c1 = Vector512.FusedMultiplyAdd(r, u, c1);
            u = Vector512.Load(x0 + 2 * s);
            a2 = Vector512.FusedMultiplyAdd(p, u, a2);
            b2 = Vector512.FusedMultiplyAdd(q, u, b2);
            c2 = Vector512.FusedMultiplyAdd(r, u, c2);
            u = Vector512.Load(x0 + s3);
            a3 = Vector512.FusedMultiplyAdd(p, u, a3);
            b3 = Vector512.FusedMultiplyAdd(q, u, b3);
            c3 = Vector512.FusedMultiplyAdd(r, u, c3);
            u = Vector512.Load(x4);
            a4 = Vector512.FusedMultiplyAdd(p, u, a4);
            b4 = Vector512.FusedMultiplyAdd(q, u, b4);
            c4 = Vector512.FusedMultiplyAdd(r, u, c4);
            u = Vector512.Load(x4 + s);
            a5 = Vector512.FusedMultiplyAdd(p, u, a5);
            b5 = Vector512.FusedMultiplyAdd(q, u, b5);
            c5 = Vector512.FusedMultiplyAdd(r, u, c5);
            u = Vector512.Load(x4 + 2 * s);
            a6 = Vector512.FusedMultiplyAdd(p, u, a6);
            b6 = Vector512.FusedMultiplyAdd(q, u, b6);
            c6 = Vector512.FusedMultiplyAdd(r, u, c6);
            u = Vector512.Load(x4 + s3);
            a7 = Vector512.FusedMultiplyAdd(p, u, a7);
            b7 = Vector512.FusedMultiplyAdd(q, u, b7);
            c7 = Vector512.FusedMultiplyAdd(r, u, c7);
        }
        var adds = at > 0;
        Put(Sums(a0, a1, a2, a3), y, adds);
        Put(Sums(a4, a5, a6, a7), y + 4, adds);
        y += columns;
        Put(Sums(b0, b1, b2, b3), y, adds);
        Put(Sums(b4, b5, b6, b7), y + 4, adds);
        y += columns;
        Put(Sums(c0, c1, c2, c3), y, adds);
        Put(Sums(c4, c5, c6, c7), y + 4, adds);
    }

    /// <summary>Three rows by four columns in vectors of the machine's width: 12 sums fit into 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Own(float* w, int length, float* x, int stride, float* y, int columns, int at, int end, bool fetches)
    {
        Vector<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        Vector<float> c0 = default, c1 = default, c2 = default, c3 = default;
        int whole = length - length % Block, back = whole < length ? whole + Block - length : 0;
        float* w1 = w + length, w2 = w1 + length, ahead = w2 + length, ahead1 = ahead + length, ahead2 = ahead1 + length;
        float* x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        for (var i = at; i < end; i += Vector<float>.Count)
        {
            if (fetches && Sse.IsSupported)
            {
                Sse.Prefetch0(ahead + i);
                Sse.Prefetch0(ahead1 + i);
                Sse.Prefetch0(ahead2 + i);
            }
            var j = i < whole ? i : i - back;
            Vector<float> p = Vector.Load(w + j), q = Vector.Load(w1 + j), r = Vector.Load(w2 + j);
            var u = Vector.Load(x + i);
            a0 = Vector.MultiplyAddEstimate(p, u, a0);
            b0 = Vector.MultiplyAddEstimate(q, u, b0);
            c0 = Vector.MultiplyAddEstimate(r, u, c0);
            u = Vector.Load(x1 + i);
            a1 = Vector.MultiplyAddEstimate(p, u, a1);
            b1 = Vector.MultiplyAddEstimate(q, u, b1);
            c1 = Vector.MultiplyAddEstimate(r, u, c1);
            u = Vector.Load(x2 + i);
            a2 = Vector.MultiplyAddEstimate(p, u, a2);
            b2 = Vector.MultiplyAddEstimate(q, u, b2);
            c2 = Vector.MultiplyAddEstimate(r, u, c2);
            u = Vector.Load(x3 + i);
            a3 = Vector.MultiplyAddEstimate(p, u, a3);
            b3 = Vector.MultiplyAddEstimate(q, u, b3);
            c3 = Vector.MultiplyAddEstimate(r, u, c3);
        }
        var adds = at > 0;
        Put(Vector128.Create(Vector.Sum(a0), Vector.Sum(a1), Vector.Sum(a2), Vector.Sum(a3)), y, adds);
        Put(Vector128.Create(Vector.Sum(b0), Vector.Sum(b1), Vector.Sum(b2), Vector.Sum(b3)), y + columns, adds);
        Put(Vector128.Create(Vector.Sum(c0), Vector.Sum(c1), Vector.Sum(c2), Vector.Sum(c3)), y + 2L * columns, adds);
    }

    /// <summary>
    /// One row by one column. Row after row it is W as it lies, which comes faster than several rows side by side; four sums
    /// hide the time an addition takes, and wider vectors would gain nothing.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* w, int length, float* x)
    {
        Vector<float> a = default, b = default, c = default, d = default;
        int rest = length % Block, whole = length - rest, back = rest > 0 ? Block - rest : 0, width = Vector<float>.Count, i = 0;
        for (; i + 4 * width <= whole; i += 4 * width)
        {
            a = Vector.MultiplyAddEstimate(Vector.Load(x + i), Vector.Load(w + i), a);
            b = Vector.MultiplyAddEstimate(Vector.Load(x + i + width), Vector.Load(w + i + width), b);
            c = Vector.MultiplyAddEstimate(Vector.Load(x + i + 2 * width), Vector.Load(w + i + 2 * width), c);
            d = Vector.MultiplyAddEstimate(Vector.Load(x + i + 3 * width), Vector.Load(w + i + 3 * width), d);
        }
        for (; i < length + back; i += width) a = Vector.MultiplyAddEstimate(Vector.Load(x + i), Vector.Load(w + (i < whole ? i : i - back)), a);
        return Vector.Sum(a + b + (c + d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(Vector128<float> sums, float* y, bool adds) => (adds ? sums + Vector128.Load(y) : sums).Store(y);

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
