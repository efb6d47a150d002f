using System.Numerics;
using System.Runtime.Intrinsics;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>
/// W·X for a W of many numbers and an X of few columns, in float32: what a decoding step multiplies. W is read
/// from memory once; tiles of it meet columns of X in registers, and so much of X at a time that it stays in the cache next
/// to them. A general product packs W first, which costs as much as reading it, and libtorch's reads at a fifth of the
/// memory's speed here, or reaches half of its own rate with 16 columns.
/// </summary>
/// <remarks>
/// X lies column by column (<see cref="Stride"/>), filled up to <see cref="PaddedColumns"/>. W is not padded, so the last
/// vector of a row that is no multiple of 16 long overlaps the one before; X stands opposite with zeros where it does
/// (<see cref="Place"/>).
/// </remarks>
internal static unsafe class NarrowProduct
{
    /// <summary>Rows of W must be as long at least.</summary>
    public const int Block = 16;

    /// <summary>Columns of X are filled up to a multiple of this.</summary>
    public const int Group = 8;

    // 24 KiB of X: half of a first-level cache, the other half is W's.
    private const int ChunkNumbers = 24 * 1024 / sizeof(float);

    // Three rows of W and the next three have their share of the cache too.
    private const int LongestChunk = 512;

    /// <summary>So many rows of W meet one piece of X before the next piece: fewer would fetch X too often, more too many pages of W.</summary>
    public const int RowsPerPass = 64 * NarrowTiles.Rows;

    /// <summary>Whether this was found faster than libtorch, which is where vectors have 256 bits at least.</summary>
    public static bool IsSupported => Vector256.IsHardwareAccelerated;

    /// <summary>Columns of X and of the result; a single one stays alone, the products of decoding one answer.</summary>
    public static int PaddedColumns(int columns) => columns == 1 ? 1 : (columns + Group - 1) / Group * Group;

    /// <summary>Numbers from one column of X to the next; never a power of two, which would put all columns into one set of the cache.</summary>
    public static int Stride(int length)
    {
        var stride = Padded(length) + Block;
        return BitOperations.IsPow2(stride) ? stride + Block : stride;
    }

    /// <summary>Where number <paramref name="index"/> of a column stands; what none claims must be 0.</summary>
    public static int Place(int index, int length)
    {
        var rest = length % Block;
        return index < length - rest ? index : index + Block - rest;
    }

    /// <summary>Lays X down column by column.</summary>
    /// <param name="x">(length × columns).</param>
    /// <param name="length">Rows of X.</param>
    /// <param name="columns">Columns of X.</param>
    /// <param name="packed">(<see cref="PaddedColumns"/> × <see cref="Stride"/>); what X does not claim is left as it is.</param>
    public static void Pack(float* x, int length, int columns, float* packed)
    {
        int whole = length - length % Block, place = Place(whole, length);
        for (var c = 0; c < columns; c++)
        {
            float* from = x + c, to = packed + (long)c * Stride(length);
            for (var i = 0; i < whole; i++, from += columns) to[i] = *from;
            for (var i = whole; i < length; i++, from += columns) to[place + i - whole] = *from;
        }
    }

    /// <summary>y[i] = w[i]·X for the rows i of a range.</summary>
    /// <param name="w">(… × length).</param>
    /// <param name="length">At least <see cref="Block"/>.</param>
    /// <param name="x">X as described above.</param>
    /// <param name="columns">Columns with their filling: 1, or a multiple of <see cref="Group"/>.</param>
    /// <param name="y">(… × columns).</param>
    /// <param name="from">First row.</param>
    /// <param name="to">Last row + 1.</param>
    /// <param name="isWide">Vectors of 512 bits; else the machine's own.</param>
    public static void Multiply(float* w, int length, float* x, int columns, float* y, int from, int to, bool isWide)
    {
        int padded = Padded(length), stride = Stride(length), whole = from + (to - from) / NarrowTiles.Rows * NarrowTiles.Rows;
        if (columns == 1 || to - from < NarrowTiles.Rows)
            for (var i = from; i < to; i++)
                for (var c = 0; c < columns; c++) y[(long)i * columns + c] = NarrowTiles.Dot(w + (long)i * length, length, x + (long)c * stride);
        else
        {
            var chunk = Math.Clamp(ChunkNumbers / columns / Block * Block, Block, LongestChunk);
            for (var i = from; i < whole; i += RowsPerPass)
                for (var at = 0; at < padded; at += chunk)
                    Pass(i, Math.Min(i + RowsPerPass, whole), at, Math.Min(at + chunk, padded));
            // The last rows overlap those of the tile before: the same numbers once more.
            if (whole < to) Pass(to - NarrowTiles.Rows, to, 0, padded);
        }

        void Pass(int first, int end, int at, int last)
        {
            for (var i = first; i < end; i += NarrowTiles.Rows)
                for (var c = 0; c < columns; c += Group)
                {
                    float* rows = w + (long)i * length, group = x + (long)c * stride, result = y + (long)i * columns + c;
                    if (isWide)
                        NarrowTiles.Wide(rows, length, group, stride, result, columns, at, last, fetches: c == 0);
                    else
                    {
                        NarrowTiles.Own(rows, length, group, stride, result, columns, at, last, fetches: c == 0);
                        NarrowTiles.Own(rows, length, group + 4L * stride, stride, result + 4, columns, at, last, fetches: false);
                    }
                }
        }
    }

    private static int Padded(int length) => (length + Block - 1) / Block * Block;
}
