using System.Runtime.InteropServices;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>D of one layer, straight from the files of two checkpoints.</summary>
internal static class DirectionReader
{
    /// <summary>A layer of the direction between two checkpoints.</summary>
    /// <param name="aligned">The aligned model; its header has been compared with that of the base model. It must outlive the layer.</param>
    /// <param name="baseline">The base model.</param>
    /// <param name="name">The layer, without <c>.weight</c>.</param>
    public static DirectionLayer LayerOf(ModelCheckpoint aligned, ModelCheckpoint baseline, string name)
    {
        var shape = BitsAndBytes.Shape(aligned, $"{name}.weight");
        return new(name, shape[0], shape[1], DTypeOf(aligned, baseline, name), shape[1], () => Read(aligned, baseline, name))
        {
            ReadBlocks = IsInBlocks(aligned, baseline, name) ? action => ForEachBlock(aligned, baseline, name, action) : null,
        };
    }

    /// <summary>W_aligned − W_base in float32, or float64 where a weight has that format.</summary>
    /// <param name="aligned">The aligned model; its header has been compared with that of the base model.</param>
    /// <param name="baseline">The base model.</param>
    /// <param name="layerName">The layer, without <c>.weight</c>.</param>
    public static LayerDirection Read(ModelCheckpoint aligned, ModelCheckpoint baseline, string layerName)
    {
        var name = $"{layerName}.weight";
        if (IsInBlocks(aligned, baseline, layerName)) return ReadHalves(new(aligned, baseline, name));
        var dtype = DTypeOf(aligned, baseline, layerName);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return new LayerDirection(BitsAndBytes.ReadDense(aligned, name, dtype).sub_(BitsAndBytes.ReadDense(baseline, name, dtype)));
    }

    /// <summary>Format of D.</summary>
    private static ScalarType DTypeOf(ModelCheckpoint aligned, ModelCheckpoint baseline, string layerName)
    {
        var name = $"{layerName}.weight";
        return aligned.Entries[name].DType == SafetensorsDType.F64 || baseline.Entries[name].DType == SafetensorsDType.F64 ? ScalarType.Float64 : ScalarType.Float32;
    }

    /// <summary>Whether both weights have the format nearly all checkpoints have, which <see cref="ForEachBlock"/> takes.</summary>
    private static bool IsInBlocks(ModelCheckpoint aligned, ModelCheckpoint baseline, string layerName)
    {
        var name = $"{layerName}.weight";
        return aligned.Entries[name] is { DType: SafetensorsDType.BF16, ByteCount: > 0 } && baseline.Entries[name].DType == SafetensorsDType.BF16;
    }

    /// <summary>What is done with a stretch of D.</summary>
    /// <param name="start">Its first number, counted through the rows of D.</param>
    /// <param name="difference">Its numbers; may be overwritten.</param>
    public delegate void DifferenceAction(long start, Span<float> difference);

    /// <summary>Passes D in blocks, in any order, several at a time; no more of it is ever held.</summary>
    /// <returns>‖D‖_F.</returns>
    public static double ForEachBlock(ModelCheckpoint aligned, ModelCheckpoint baseline, string layerName, DifferenceAction action)
    {
        var pair = new Halves(aligned, baseline, $"{layerName}.weight");
        // float32 is twice as large as what it is made from.
        BlockReader.ForEach(pair.ByteCount, 4, (block, buffer, count) =>
        {
            var difference = MemoryMarshal.Cast<byte, float>(buffer.Slice(2 * BlockReader.BlockBytes, 2 * count));
            pair.Subtract(block, buffer, count, difference);
            action(block * BlockReader.BlockBytes / 2, difference);
        });
        return pair.Norm();
    }

    private static unsafe LayerDirection ReadHalves(Halves pair)
    {
        using var scope = NewDisposeScope();
        var matrix = empty(pair.Shape, ScalarType.Float32);
        var target = TensorMemory.Pointer(matrix);
        TensorMemory.PreferLargePages(target, 2 * pair.ByteCount);
        BlockReader.ForEach(pair.ByteCount, 2, (block, buffer, count) =>
            pair.Subtract(block, buffer, count, new Span<float>(target + 2 * block * BlockReader.BlockBytes, count / 2)));
        return new LayerDirection(matrix, norm: pair.Norm());
    }

    // Both files are read, widened, subtracted and summed up in one pass.
    private sealed class Halves(ModelCheckpoint aligned, ModelCheckpoint baseline, string name)
    {
        private readonly SafetensorsFile _alignedFile = aligned.ShardOf(name), _baseFile = baseline.ShardOf(name);
        private readonly SafetensorsEntry _left = aligned.Entries[name], _right = baseline.Entries[name];
        // Summed in the order of the blocks, so that the norm does not depend on which thread was first.
        private readonly double[] _squares = new double[(aligned.Entries[name].ByteCount + BlockReader.BlockBytes - 1) / BlockReader.BlockBytes];

        public long ByteCount => _left.ByteCount;

        public long[] Shape => [.. _left.Shape];

        public double Norm() => Math.Sqrt(_squares.Sum());

        public void Subtract(long block, Span<byte> buffer, int count, Span<float> target)
        {
            var first = buffer[..count];
            var second = buffer.Slice(BlockReader.BlockBytes, count);
            _alignedFile.ReadBytes(_left, first, block * BlockReader.BlockBytes);
            _baseFile.ReadBytes(_right, second, block * BlockReader.BlockBytes);
            _squares[block] = BFloat16.Subtract(BFloat16.Of(first), BFloat16.Of(second), target);
        }
    }
}
