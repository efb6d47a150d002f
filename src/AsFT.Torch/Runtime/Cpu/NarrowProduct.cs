using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>
/// W·X for a W of many numbers and an X of few columns, in float32. W is read once, in the order in which it lies: three
/// of its rows meet eight columns of X in registers. libtorch's general product reads at a fifth of the memory's speed here.
/// </summary>
/// <remarks>
/// X is packed column by column (<see cref="Pack"/>). W is not, so the last 16 numbers of a row that is no multiple of
/// 16 long overlap those before; X stands opposite with zeros where they do.
/// </remarks>
internal static unsafe class NarrowProduct
{
    /// <summary>Rows of W must be as long at least, and as many.</summary>
    public const int Block = 16;

    /// <summary>Columns of X are filled up to a multiple of this.</summary>
    public const int Group = 8;

    private const int Rows = 3;

    public static int PaddedColumns(int columns) => (columns + Group - 1) / Group * Group;

    /// <summary>Numbers from one packed column to the next; never a power of two, which would put all columns into one set of the cache.</summary>
    public static int PackedStride(int length) => Padded(length) + Block;

    private static int Padded(int length) => (length + Block - 1) / Block * Block;

    /// <summary>Packs X.</summary>
    /// <param name="x">(length × columns).</param>
    /// <param name="length">Rows of X.</param>
    /// <param name="columns">Columns of X.</param>
    /// <param name="packed">(<see cref="PaddedColumns"/> × <see cref="PackedStride"/>); what X does not claim must be 0 and stays so.</param>
    public static void Pack(float* x, int length, int columns, float* packed)
    {
        int whole = length - length % Block, shift = Padded(length) - length, stride = PackedStride(length);
        for (var i = 0; i < length; i++)
            for (var c = 0; c < columns; c++) packed[(long)c * stride + (i < whole ? i : i + shift)] = x[(long)i * columns + c];
    }

    /// <summary>y[i] = w[i]·X for the rows i of a range.</summary>
    /// <param name="w">(… × length).</param>
    /// <param name="length">At least <see cref="Block"/>.</param>
    /// <param name="packed">See <see cref="Pack"/>.</param>
    /// <param name="columns">Columns with their filling.</param>
    /// <param name="y">(… × columns).</param>
    /// <param name="from">First row.</param>
    /// <param name="to">Last row + 1; at least three rows.</param>
    /// <param name="isWide">Vectors of 512 bits; else the machine's own.</param>
    public static void Multiply(float* w, int length, float* packed, int columns, float* y, int from, int to, bool isWide)
    {
        var stride = PackedStride(length);
        for (var i = from; i < to; i += Rows)
        {
            // The last three may have been met before: the same numbers once more.
            var row = Math.Min(i, to - Rows);
            var three = w + (long)row * length;
            var result = y + (long)row * columns;
            for (var c = 0; c < columns; c += Group)
            {
                var x = packed + (long)c * stride;
                if (isWide)
                    Wide(three, length, x, stride, result + c, columns);
                else
                {
                    Own(three, length, x, stride, result + c, columns);
                    Own(three, length, x + 4L * stride, stride, result + c + 4, columns);
                }
            }
        }
    }

    /// <summary>Three rows by eight columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide(float* w, int length, float* x, int stride, float* y, int columns)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        int padded = Padded(length), last = length - Block;
        float* w1 = w + length, w2 = w1 + length, ahead = w2 + length, ahead1 = ahead + length, ahead2 = ahead1 + length;
        long s = stride, s3 = 3L * stride;
        for (var i = 0; i < padded; i += Block)
        {
            var at = Math.Min(i, last);
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(ahead + i);
                Sse.Prefetch0(ahead1 + i);
                Sse.Prefetch0(ahead2 + i);
            }
            Vector512<float> p = Vector512.Load(w + at), q = Vector512.Load(w1 + at), r = Vector512.Load(w2 + at);
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
        Sums(a0, a1, a2, a3).Store(y);
        Sums(a4, a5, a6, a7).Store(y + 4);
        y += columns;
        Sums(b0, b1, b2, b3).Store(y);
        Sums(b4, b5, b6, b7).Store(y + 4);
        y += columns;
        Sums(c0, c1, c2, c3).Store(y);
        Sums(c4, c5, c6, c7).Store(y + 4);
    }

    /// <summary>Three rows by four columns, in vectors of the machine's width: 12 sums fit into 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Own(float* w, int length, float* x, int stride, float* y, int columns)
    {
        Vector<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        Vector<float> c0 = default, c1 = default, c2 = default, c3 = default;
        int padded = Padded(length), whole = length - length % Block, shift = padded - length;
        float* w1 = w + length, w2 = w1 + length, x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        for (var i = 0; i < padded; i += Vector<float>.Count)
        {
            var at = i < whole ? i : i - shift;
            Vector<float> p = Vector.Load(w + at), q = Vector.Load(w1 + at), r = Vector.Load(w2 + at);
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
        Vector128.Create(Vector.Sum(a0), Vector.Sum(a1), Vector.Sum(a2), Vector.Sum(a3)).Store(y);
        Vector128.Create(Vector.Sum(b0), Vector.Sum(b1), Vector.Sum(b2), Vector.Sum(b3)).Store(y + columns);
        Vector128.Create(Vector.Sum(c0), Vector.Sum(c1), Vector.Sum(c2), Vector.Sum(c3)).Store(y + 2L * columns);
    }

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
