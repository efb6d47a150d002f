using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>Blocks of 4-bit codes, two a byte with the first in the high half; a number is its code's value times its block's scale. Equal to bitsandbytes, to the bit.</summary>
internal static unsafe class Nf4Numbers
{
    /// <summary>Bits of the smallest numbers that a block is divided by; smaller ones have no reciprocal.</summary>
    private const float Smallest = 1e-38f;

    // Lies between NormalFloat's −0.0911 and 0.0796, and so means 0.
    private const byte CodeOfZero = 7;

    /// <summary>The values of NormalFloat with 4 bits (Dettmers et al., arXiv 2305.14314, appendix E), smallest first.</summary>
    public static ReadOnlySpan<float> Values =>
    [
        -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
    ];

    /// <summary>max |x|.</summary>
    public static float LargestOf(float* x, long count)
    {
        var most = Vector<float>.Zero;
        var i = 0L;
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count) most = Vector.Max(most, Vector.Abs(Vector.Load(x + i)));
        var largest = 0f;
        for (var lane = 0; lane < Vector<float>.Count; lane++) largest = Math.Max(largest, most[lane]);
        for (; i < count; i++) largest = Math.Max(largest, Math.Abs(x[i]));
        return largest;
    }

    /// <summary>Quantises one block.</summary>
    /// <param name="source">Its numbers.</param>
    /// <param name="count">How many; at most <paramref name="block"/>.</param>
    /// <param name="block">Numbers in a whole block, a multiple of 32.</param>
    /// <param name="codes">Takes half as many bytes.</param>
    /// <returns>The block's scale, its largest number.</returns>
    public static float Quantize(float* source, int count, int block, byte* codes)
    {
        var most = LargestOf(source, count);
        // bitsandbytes multiplies whole blocks with the reciprocal, but divides the one that the matrix ends in.
        var isWhole = count == block;
        if (!isWhole) most = Math.Max(most, Smallest);
        var (factor, divisor) = isWhole ? (1 / Math.Max(most, Smallest), 1f) : (1f, most);
        var numbers = stackalloc int[block];
        new Span<int>(numbers, block).Fill(CodeOfZero);
        Span<float> bounds = stackalloc float[15];
        for (var i = 0; i < bounds.Length; i++) bounds[i] = (Values[i] + Values[i + 1]) / 2;
        var at = 0;
        for (; at + Vector<float>.Count <= count; at += Vector<float>.Count)
        {
            var scaled = Vector.Load(source + at) * factor / divisor;
            var code = Vector<int>.Zero;
            // A code is the number of bounds below; comparisons give −1.
            foreach (var bound in bounds) code -= Vector.GreaterThan(scaled, new Vector<float>(bound));
            code.Store(numbers + at);
        }
        for (; at < count; at++)
        {
            var scaled = source[at] * factor / divisor;
            numbers[at] = 0;
            foreach (var bound in bounds) if (scaled > bound) numbers[at]++;
        }
        for (var i = 0; i < (count + 1) / 2; i++) codes[i] = (byte)(numbers[2 * i] << 4 | numbers[2 * i + 1]);
        return most;
    }

    /// <summary>Makes numbers of codes.</summary>
    /// <param name="codes">From a block's first on.</param>
    /// <param name="count">Numbers.</param>
    /// <param name="scales">One a block.</param>
    /// <param name="block">Numbers in a block, a multiple of 32.</param>
    /// <param name="values">What the 16 codes stand for.</param>
    /// <param name="target">Takes the numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* codes, long count, float* scales, int block, float* values, float* target)
    {
        for (var start = 0L; start < count; start += block, scales++)
        {
            var (length, i) = ((int)Math.Min(block, count - start), 0);
            byte* from = codes + start / 2;
            float* to = target + start;
            if (Avx512F.IsSupported)
            {
                Vector512<float> all = Vector512.Load(values), scale = Vector512.Create(*scales);
                for (; i + 16 <= length; i += 16) (Avx512F.PermuteVar16x32(all, Avx512F.ConvertToVector512Int32(Halves(from + i / 2))) * scale).Store(to + i);
            }
            else if (Avx2.IsSupported)
            {
                Vector256<float> low = Vector256.Load(values), high = Vector256.Load(values + 8), scale = Vector256.Create(*scales);
                for (; i + 16 <= length; i += 16)
                {
                    var halves = Halves(from + i / 2);
                    (Chosen(low, high, Avx2.ConvertToVector256Int32(halves)) * scale).Store(to + i);
                    (Chosen(low, high, Avx2.ConvertToVector256Int32(Sse2.ShiftRightLogical128BitLane(halves, 8))) * scale).Store(to + i + 8);
                }
            }
            for (; i < length; i++) to[i] = values[i % 2 == 0 ? from[i / 2] >> 4 : from[i / 2] & 15] * *scales;
        }
    }

    // 16 codes of 8 bytes, one a byte.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Halves(byte* codes)
    {
        var (pairs, half) = (Vector128.CreateScalarUnsafe(*(ulong*)codes).AsByte(), Vector128.Create((byte)15));
        return Sse2.UnpackLow((pairs.AsUInt16() >>> 4).AsByte() & half, pairs & half);
    }

    // The permutation reads three bits of a code; the fourth chooses between its results.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Chosen(Vector256<float> low, Vector256<float> high, Vector256<int> codes) =>
        Avx.BlendVariable(Avx2.PermuteVar8x32(low, codes), Avx2.PermuteVar8x32(high, codes), (codes << 28).AsSingle());
}
