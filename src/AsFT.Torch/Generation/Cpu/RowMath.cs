using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using AsFT.Torch.Runtime.Cpu;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>What a decoder does to single rows of float32 numbers, besides matrix products.</summary>
internal static unsafe class RowMath
{
    private const int Width = NarrowProduct.Block;

    /// <summary>Σ a·b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* a, float* b, int count)
    {
        Vector512<float> sum = default;
        var i = 0;
        for (; i + Width <= count; i += Width) sum = Vector512.FusedMultiplyAdd(Vector512.Load(a + i), Vector512.Load(b + i), sum);
        var total = Vector512.Sum(sum);
        for (; i < count; i++) total += a[i] * b[i];
        return total;
    }

    /// <summary>y += factor·x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(float* y, float* x, float factor, int count)
    {
        var factors = Vector512.Create(factor);
        var i = 0;
        for (; i + Width <= count; i += Width) Vector512.FusedMultiplyAdd(factors, Vector512.Load(x + i), Vector512.Load(y + i)).Store(y + i);
        for (; i < count; i++) y[i] += factor * x[i];
    }

    /// <summary>x / √(mean(x²) + ε) · w, written where <see cref="NarrowProduct"/> wants it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(float* x, float* w, float* y, int count, double epsilon)
    {
        var scale = (float)(1 / Math.Sqrt(Dot(x, x, count) / count + epsilon));
        var scales = Vector512.Create(scale);
        var i = 0;
        for (; i + Width <= count; i += Width) (Vector512.Load(x + i) * scales * Vector512.Load(w + i)).Store(y + i);
        for (; i < count; i++) y[NarrowProduct.Place(i, count)] = x[i] * scale * w[i];
    }

    /// <summary>x ← x rotated by a position's angles, halves against each other; the table of sines holds the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(float* x, float* result, float* cos, float* sin, int count)
    {
        int half = count / 2, width = Vector<float>.Count, i = 0;
        for (; i + width <= half; i += width)
        {
            Vector<float> low = Vector.Load(x + i), high = Vector.Load(x + i + half);
            (low * Vector.Load(cos + i) + high * Vector.Load(sin + i)).Store(result + i);
            (high * Vector.Load(cos + i + half) + low * Vector.Load(sin + i + half)).Store(result + i + half);
        }
        for (; i < half; i++)
        {
            result[i] = x[i] * cos[i] + x[i + half] * sin[i];
            result[i + half] = x[i + half] * cos[i + half] + x[i] * sin[i + half];
        }
    }

    /// <summary>Puts numbers where <see cref="NarrowProduct"/> wants those from index <paramref name="first"/> on of a column of <paramref name="length"/>.</summary>
    public static void Put(float* x, int count, float* column, int first, int length)
    {
        var whole = Math.Clamp(length - length % Width - first, 0, count);
        new ReadOnlySpan<float>(x, whole).CopyTo(new Span<float>(column + first, whole));
        for (var i = whole; i < count; i++) column[NarrowProduct.Place(first + i, length)] = x[i];
    }

    /// <summary>y[r, i] = x[i, r].</summary>
    /// <param name="x">(count × columns), columns a multiple of <see cref="NarrowProduct.Group"/>.</param>
    /// <param name="count">Rows of x.</param>
    /// <param name="columns">Numbers from one row of x to the next.</param>
    /// <param name="y">(rows × …).</param>
    /// <param name="rows">Rows of y; at most columns.</param>
    /// <param name="stride">Numbers from one row of y to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* x, int count, int columns, float* y, int rows, long stride)
    {
        int r = 0, fours = Sse.IsSupported ? count / 4 * 4 : 0;
        for (; fours > 0 && r + 4 <= rows; r += 4)
            for (var i = 0; i < fours; i += 4)
            {
                float* from = x + i * columns + r, to = y + r * stride + i;
                Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + columns), c = Vector128.Load(from + 2 * columns), d = Vector128.Load(from + 3 * columns);
                Vector128<float> ab = Sse.UnpackLow(a, b), cd = Sse.UnpackLow(c, d);
                Sse.MoveLowToHigh(ab, cd).Store(to);
                Sse.MoveHighToLow(cd, ab).Store(to + stride);
                (ab, cd) = (Sse.UnpackHigh(a, b), Sse.UnpackHigh(c, d));
                Sse.MoveLowToHigh(ab, cd).Store(to + 2 * stride);
                Sse.MoveHighToLow(cd, ab).Store(to + 3 * stride);
            }
        // What fours leave: the last numbers of the rows done, and whole rows.
        for (var row = 0; row < rows; row++)
            for (var i = row < r ? fours : 0; i < count; i++) y[row * stride + i] = x[i * columns + row];
    }

    /// <summary>x ← exp(x − max x).</summary>
    /// <returns>The sum of the results.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Exponentials(float* x, int count)
    {
        var most = float.NegativeInfinity;
        for (var i = 0; i < count; i++) most = Math.Max(most, x[i]);
        var total = 0f;
        var at = 0;
        Vector512<float> sum = default, mosts = Vector512.Create(most);
        for (; at + Width <= count; at += Width)
        {
            var e = Vector512.Exp(Vector512.Load(x + at) - mosts);
            sum += e;
            e.Store(x + at);
        }
        for (; at < count; at++) total += x[at] = MathF.Exp(x[at] - most);
        return total + Vector512.Sum(sum);
    }

    /// <summary>y = silu(gate)·up for the columns of a range, written where <see cref="NarrowProduct"/> wants it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gate(float* gate, float* up, float* y, int from, int to, int columns)
    {
        var whole = Math.Min(to, columns - columns % Width);
        var i = from;
        for (; i + Width <= whole; i += Width)
        {
            var g = Vector512.Load(gate + i);
            (g / (Vector512<float>.One + Vector512.Exp(-g)) * Vector512.Load(up + i)).Store(y + i);
        }
        for (; i < to; i++) y[NarrowProduct.Place(i, columns)] = gate[i] / (1 + MathF.Exp(-gate[i])) * up[i];
    }

    /// <summary>Whether no number is infinite or undefined.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite(float* x, int count)
    {
        // 0 times a number is 0, and NaN where it is infinite or none.
        var sums = Vector512<float>.Zero;
        var i = 0;
        for (; i + Width <= count; i += Width) sums += Vector512.Load(x + i) * Vector512<float>.Zero;
        var sum = Vector512.Sum(sums);
        for (; i < count; i++) sum += x[i] * 0;
        return sum == 0;
    }

    /// <summary>Place of the largest number; the first of equals, and NaN counts as largest, as in libtorch.</summary>
    public static int LargestAt(float* x, int count)
    {
        var (most, at, i) = (x[0], 0, 0);
        while (i < count)
        {
            // A vector without a larger number, which is nearly every one, is passed over; NaN is not equal to itself.
            if (i + Vector<float>.Count <= count && !float.IsNaN(most) && Vector.Load(x + i) is var v
                && Vector.EqualsAll(v, v) && Vector.LessThanOrEqualAll(v, new Vector<float>(most)))
            {
                i += Vector<float>.Count;
                continue;
            }
            for (var end = Math.Min(i + Vector<float>.Count, count); i < end; i++)
            {
                if (!(x[i] > most) && !float.IsNaN(x[i])) continue;
                if (float.IsNaN(most)) return at;
                (most, at) = (x[i], i);
            }
        }
        return at;
    }
}
