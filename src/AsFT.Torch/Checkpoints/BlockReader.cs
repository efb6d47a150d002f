using System.Buffers;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace AsFT.Torch.Checkpoints;

/// <summary>
/// Stretches of files, read block by block on all cores. A block is small enough to stay in a core's cache between the
/// reading and what is done with it, so that the rest of memory is written once and not read again.
/// </summary>
internal static class BlockReader
{
    /// <summary>Bytes a block, of each file.</summary>
    public const int BlockBytes = 256 << 10;

    // Beyond this a disk, or memory, is the limit.
    private static readonly ParallelOptions Cores = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 1, 8) };

    /// <summary>What is done with a block.</summary>
    /// <param name="block">Its number; it begins <paramref name="block"/> · <see cref="BlockBytes"/> behind the start.</param>
    /// <param name="buffer">Room for as many blocks as were asked for.</param>
    /// <param name="count">Bytes of the block, of each file.</param>
    public delegate void BlockAction(long block, Span<byte> buffer, int count);

    /// <summary>Runs an action for every block of a stretch, in any order, several at a time.</summary>
    /// <param name="bytes">Length of the stretch.</param>
    /// <param name="room">Blocks that <see cref="BlockAction"/>'s buffer has room for: one per file, and what is made of them.</param>
    /// <param name="action">Called once a block; what it throws is thrown as it is.</param>
    public static void ForEach(long bytes, int room, BlockAction action)
    {
        var blocks = (bytes + BlockBytes - 1) / BlockBytes;
        int Count(long block) => (int)Math.Min(BlockBytes, bytes - block * BlockBytes);
        try
        {
            Parallel.For(0, blocks, Cores, () => ArrayPool<byte>.Shared.Rent(room * BlockBytes), (block, _, buffer) =>
            {
                action(block, buffer, Count(block));
                return buffer;
            }, buffer => ArrayPool<byte>.Shared.Return(buffer));
        }
        catch (AggregateException error)
        {
            ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }
    }

    /// <summary>Fills a span from a file.</summary>
    /// <exception cref="InvalidDataException">The file ends before.</exception>
    public static void ReadExactly(SafeFileHandle handle, Span<byte> target, long offset, string path)
    {
        while (target.Length > 0)
        {
            var read = RandomAccess.Read(handle, target, offset);
            if (read == 0) throw new InvalidDataException($"'{path}' ends at byte {offset}: it was cut short while it was read.");
            target = target[read..];
            offset += read;
        }
    }
}
