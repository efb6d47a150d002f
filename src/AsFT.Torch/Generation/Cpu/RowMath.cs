using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>What a decoder does to single rows of float32 numbers, besides matrix products.</summary>
internal static unsafe class RowMath
{
    private const int Width = SkinnyProduct.Width;

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

    /// <summary>x / √(mean(x²) + ε) · w, written where <see cref="SkinnyProduct"/> wants it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(float* x, float* w, float* y, int count, double epsilon)
    {
        var scale = (float)(1 / Math.Sqrt(Dot(x, x, count) / count + epsilon));
        var scales = Vector512.Create(scale);
        var i = 0;
        for (; i + Width <= count; i += Width) (Vector512.Load(x + i) * scales * Vector512.Load(w + i)).Store(y + i);
        for (; i < count; i++) y[SkinnyProduct.Place(i, count)] = x[i] * scale * w[i];
    }

    /// <summary>x ← x rotated by a position's angles, halves against each other; the table of sines holds the sign.</summary>
    public static void Rotate(float* x, float* result, float* cos, float* sin, int count)
    {
        var half = count / 2;
        for (var i = 0; i < half; i++)
        {
            result[i] = x[i] * cos[i] + x[i + half] * sin[i];
            result[i + half] = x[i + half] * cos[i + half] + x[i] * sin[i + half];
        }
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

    /// <summary>y = silu(gate)·up for the columns of a range, written where <see cref="SkinnyProduct"/> wants it.</summary>
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
        for (; i < to; i++) y[SkinnyProduct.Place(i, columns)] = gate[i] / (1 + MathF.Exp(-gate[i])) * up[i];
    }

    /// <summary>Place of the largest number; the first of equals, and NaN counts as largest, as in libtorch.</summary>
    public static int LargestAt(float* x, int count)
    {
        var (most, at) = (x[0], 0);
        for (var i = 1; i < count; i++)
        {
            if (!(x[i] > most) && !float.IsNaN(x[i])) continue;
            if (float.IsNaN(most)) break;
            (most, at) = (x[i], i);
        }
        return at;
    }
}
