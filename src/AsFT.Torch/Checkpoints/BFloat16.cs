using System.Numerics;
using System.Runtime.InteropServices;

namespace AsFT.Torch.Checkpoints;

/// <summary>bfloat16 numbers as they lie in files: the upper halves of float32 numbers.</summary>
internal static class BFloat16
{
    /// <summary>Widens, exactly.</summary>
    /// <param name="source">Numbers.</param>
    /// <param name="target">As many.</param>
    public static void Widen(ReadOnlySpan<ushort> source, Span<float> target)
    {
        var i = 0;
        for (; i + Vector<ushort>.Count <= source.Length; i += Vector<ushort>.Count)
        {
            var (low, high) = Widen(new Vector<ushort>(source[i..]));
            low.CopyTo(target[i..]);
            high.CopyTo(target[(i + Vector<float>.Count)..]);
        }
        for (; i < source.Length; i++) target[i] = Widen(source[i]);
    }

    /// <summary>Rounds to the nearest, to the even one of two; what is no number stays none.</summary>
    /// <param name="source">Numbers.</param>
    /// <param name="target">As many.</param>
    public static void Narrow(ReadOnlySpan<float> source, Span<ushort> target)
    {
        var i = 0;
        for (; i + Vector<ushort>.Count <= source.Length; i += Vector<ushort>.Count)
            Vector.Narrow(Rounded(new Vector<float>(source[i..])), Rounded(new Vector<float>(source[(i + Vector<float>.Count)..]))).CopyTo(target[i..]);
        for (; i < source.Length; i++) target[i] = (ushort)Rounded(new Vector<float>(source[i]))[0];
    }

    /// <summary>left − right, in float32.</summary>
    /// <returns>The sum of the squares, in float64.</returns>
    public static double Subtract(ReadOnlySpan<ushort> left, ReadOnlySpan<ushort> right, Span<float> target)
    {
        // Squares of float32 numbers may leave its range.
        var (sum, other) = (Vector<double>.Zero, Vector<double>.Zero);
        var i = 0;
        for (; i + Vector<ushort>.Count <= left.Length; i += Vector<ushort>.Count)
        {
            var (leftLow, leftHigh) = Widen(new Vector<ushort>(left[i..]));
            var (rightLow, rightHigh) = Widen(new Vector<ushort>(right[i..]));
            var (low, high) = (leftLow - rightLow, leftHigh - rightHigh);
            low.CopyTo(target[i..]);
            high.CopyTo(target[(i + Vector<float>.Count)..]);
            Vector.Widen(low, out var a, out var b);
            Vector.Widen(high, out var c, out var d);
            sum += a * a + b * b;
            other += c * c + d * d;
        }
        var total = Vector.Sum(sum + other);
        for (; i < left.Length; i++)
        {
            var difference = target[i] = Widen(left[i]) - Widen(right[i]);
            total += (double)difference * difference;
        }
        return total;
    }

    /// <summary>The bytes as numbers.</summary>
    public static ReadOnlySpan<ushort> Of(ReadOnlySpan<byte> bytes) => MemoryMarshal.Cast<byte, ushort>(bytes);

    private static (Vector<float> Low, Vector<float> High) Widen(Vector<ushort> halves)
    {
        Vector.Widen(halves, out var low, out var high);
        return ((low << 16).As<uint, float>(), (high << 16).As<uint, float>());
    }

    private static Vector<uint> Rounded(Vector<float> numbers)
    {
        var bits = numbers.As<float, uint>();
        var rounded = (bits + new Vector<uint>(0x7FFF) + ((bits >>> 16) & Vector<uint>.One)) >>> 16;
        return Vector.ConditionalSelect(Vector.Equals(numbers, numbers).As<int, uint>(), rounded, new Vector<uint>(0x7FC0));
    }

    private static float Widen(ushort half) => BitConverter.UInt32BitsToSingle((uint)half << 16);
}
