using System.Numerics;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>Rows of 8-bit codes, quantised by their largest number as bitsandbytes does it, to the bit.</summary>
internal static unsafe class Int8Numbers
{
    /// <summary>1/127: a code times this times its row's maximum is a number.</summary>
    public const float Step = 7.874015718698502e-3f;

    /// <summary>Quantises a row.</summary>
    /// <returns>The largest of its numbers.</returns>
    public static float Quantize(float* source, long count, sbyte* codes)
    {
        var most = Nf4Numbers.LargestOf(source, count);
        // As libtorch divides a number by a tensor: by way of the reciprocal.
        var scale = 1 / most * 127;
        for (var i = 0L; i < count; i++) codes[i] = most == 0 ? (sbyte)0 : (sbyte)MathF.Round(source[i] * scale);
        return most;
    }

    /// <summary>(code · most) · 1/127, in this order.</summary>
    public static void Dequantize(sbyte* codes, long count, float most, float* target)
    {
        Vector<float> mosts = new(most), steps = new(Step);
        var (i, width) = (0L, Vector<float>.Count);
        for (; i + Vector<sbyte>.Count <= count; i += Vector<sbyte>.Count)
        {
            Vector.Widen(Vector.Load(codes + i), out var low, out var high);
            Vector.Widen(low, out var a, out var b);
            Vector.Widen(high, out var c, out var d);
            (Vector.ConvertToSingle(a) * mosts * steps).Store(target + i);
            (Vector.ConvertToSingle(b) * mosts * steps).Store(target + i + width);
            (Vector.ConvertToSingle(c) * mosts * steps).Store(target + i + 2 * width);
            (Vector.ConvertToSingle(d) * mosts * steps).Store(target + i + 3 * width);
        }
        for (; i < count; i++) target[i] = codes[i] * most * Step;
    }
}
