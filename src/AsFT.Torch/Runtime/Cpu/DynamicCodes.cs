namespace AsFT.Torch.Runtime.Cpu;

/// <summary>
/// 8-bit codes of a dynamic exponent and a fraction (Dettmers, arXiv 1511.04561), which bitsandbytes quantises the scales of NF4's blocks
/// with; to the bit what its CPU code makes.
/// </summary>
internal static class DynamicCodes
{
    private const int Steps = 1 << 16;
    private static readonly float[] Numbers = MakeMap();
    private static readonly byte[] Nearest = MakeTable();

    /// <summary>What the 256 codes stand for, smallest first, from −0.993 to 1.</summary>
    public static ReadOnlySpan<float> Map => Numbers;

    /// <summary>Quantises one block.</summary>
    /// <returns>Its scale, the largest number.</returns>
    public static float Quantize(ReadOnlySpan<float> block, Span<byte> codes)
    {
        var most = 0f;
        foreach (var number in block) most = Math.Max(most, Math.Abs(number));
        codes.Clear();
        if (most == 0) return 0;
        var factor = 1 / most;
        // bitsandbytes looks its codes up in a table of 65,536 steps, half a step off here and there.
        for (var i = 0; i < block.Length; i++) codes[i] = Nearest[(ushort)((Math.Clamp(block[i] * factor, -1, 1) + 1) * 0.5f * (Steps - 1) + 0.5f)];
        return most;
    }

    /// <summary>The mean in float32, added up as libtorch does with one thread and vectors of eight: bitsandbytes' offset depends on its last bit.</summary>
    public static float Mean(ReadOnlySpan<float> numbers)
    {
        const int Width = 8, Rows = 4, Levels = 4, Stride = Width * Rows;
        int vectors = numbers.Length / Width, groups = vectors / Rows;
        var power = Math.Max(4, CeilingLog2(groups) / Levels);
        var sums = new float[Levels, Stride];
        for (var i = 0; i < groups;)
        {
            var end = Math.Min(i + (1 << power), groups);
            var isFull = end == i + (1 << power);
            for (; i < end; i++)
                for (var lane = 0; lane < Stride; lane++) sums[0, lane] += numbers[i * Stride + lane];
            for (var level = 1; isFull && level < Levels; level++)
            {
                for (var lane = 0; lane < Stride; lane++) (sums[level, lane], sums[level - 1, lane]) = (sums[level, lane] + sums[level - 1, lane], 0);
                if ((i & (((1 << power) - 1) << (level * power))) != 0) break;
            }
        }
        for (var level = 1; level < Levels; level++)
            for (var lane = 0; lane < Stride; lane++) sums[0, lane] += sums[level, lane];
        for (var vector = groups * Rows; vector < vectors; vector++)
            for (var lane = 0; lane < Width; lane++) sums[0, lane] += numbers[vector * Width + lane];
        for (var row = 1; row < Rows; row++)
            for (var lane = 0; lane < Width; lane++) sums[0, lane] += sums[0, row * Width + lane];
        var total = 0f;
        for (var i = vectors * Width; i < numbers.Length; i++) total += numbers[i];
        for (var lane = 0; lane < Width; lane++) total += sums[0, lane];
        return total / numbers.Length;
    }

    private static int CeilingLog2(int value) => value <= 2 ? (value > 1 ? 1 : 0) : 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)value - 1);

    // 1, 2, 4 … 64 steps from 0.1 to 1 for each of seven powers of ten, both signs, and 0 and 1.
    private static float[] MakeMap()
    {
        var map = new List<float> { 0, 1 };
        for (var exponent = 0; exponent < 7; exponent++)
        {
            var count = 1 << exponent;
            var factor = (float)Math.Pow(10, exponent - 6);
            float Bound(int i) => i < (count + 1) / 2 ? MathF.FusedMultiplyAdd(0.9f / count, i, 0.1f) : MathF.FusedMultiplyAdd(0.9f / count, i - count, 1);
            for (var i = 0; i < count; i++)
            {
                var mean = (Bound(i) + Bound(i + 1)) / 2 * factor;
                map.Add(mean);
                map.Add(-mean);
            }
        }
        map.Sort();
        return [.. map];
    }

    private static byte[] MakeTable()
    {
        var table = new byte[Steps];
        var code = 0;
        for (var i = 0; i < Steps; i++)
        {
            var value = -1 + 2f * i / (Steps - 1);
            while (code < 255 && 0.5f * (Numbers[code] + Numbers[code + 1]) < value) code++;
            table[i] = (byte)code;
        }
        return table;
    }
}
