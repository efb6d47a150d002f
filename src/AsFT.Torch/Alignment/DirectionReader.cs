using AsFT.Torch.Checkpoints;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>D of one layer, straight from the files of two checkpoints.</summary>
internal static class DirectionReader
{
    /// <summary>W_aligned − W_base in float32, or float64 where a weight has that format.</summary>
    /// <param name="aligned">The aligned model; its header has been compared with that of the base model.</param>
    /// <param name="baseline">The base model.</param>
    /// <param name="layerName">The layer, without <c>.weight</c>.</param>
    public static LayerDirection Read(ModelCheckpoint aligned, ModelCheckpoint baseline, string layerName)
    {
        var name = $"{layerName}.weight";
        var (left, right) = (aligned.Entries[name], baseline.Entries[name]);
        if (left.DType == SafetensorsDType.BF16 && right.DType == SafetensorsDType.BF16 && left.ByteCount > 0)
            return ReadHalves(aligned.ShardOf(name), baseline.ShardOf(name), left, right);
        var dtype = left.DType == SafetensorsDType.F64 || right.DType == SafetensorsDType.F64 ? ScalarType.Float64 : ScalarType.Float32;
        return new LayerDirection(aligned.Read(name, dtype).sub_(baseline.Read(name, dtype)));
    }

    // The format nearly all checkpoints have: both files are read, widened, subtracted and summed up in one pass, so that
    // D is all that is ever held.
    private static unsafe LayerDirection ReadHalves(SafetensorsFile aligned, SafetensorsFile baseline, SafetensorsEntry left, SafetensorsEntry right)
    {
        var matrix = empty([.. left.Shape], ScalarType.Float32);
        var target = TensorMemory.Pointer(matrix);
        TensorMemory.PreferLargePages(target, 2 * left.ByteCount);
        // Summed in the order of the blocks, so that the norm does not depend on which thread was first.
        var squares = new double[(left.ByteCount + BlockReader.BlockBytes - 1) / BlockReader.BlockBytes];
        BlockReader.ForEach(left.ByteCount, 2, (block, buffer, count) =>
        {
            var start = block * BlockReader.BlockBytes;
            var first = buffer[..count];
            var second = buffer.Slice(BlockReader.BlockBytes, count);
            aligned.ReadBytes(left, first, start);
            baseline.ReadBytes(right, second, start);
            squares[block] = BFloat16.Subtract(BFloat16.Of(first), BFloat16.Of(second), new Span<float>(target + 2 * start, count / 2));
        });
        return new LayerDirection(matrix, norm: Math.Sqrt(squares.Sum()));
    }
}
