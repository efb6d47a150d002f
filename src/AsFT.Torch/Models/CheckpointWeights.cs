using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;

namespace AsFT.Torch.Models;

/// <summary>Weights read from a checkpoint, the linear layers of its decoder in the format that is asked for: one matrix at a time is dense beside them.</summary>
/// <param name="checkpoint">The checkpoint.</param>
/// <param name="config">Its shape.</param>
/// <param name="placement">Where the model computes, and in which format.</param>
/// <param name="format">How it holds its weights.</param>
internal sealed class CheckpointWeights(ModelCheckpoint checkpoint, ModelConfig config, ComputePlacement placement, WeightFormat format = WeightFormat.Dense)
    : WeightSource((name, shape) =>
    {
        RequireShape(checkpoint, name, shape);
        return checkpoint.Read(name, placement.DType, placement.Device);
    })
{
    public override WeightMatrix Matrix(string name, long rows, long columns)
    {
        if (BitsAndBytes.StoredFormat(checkpoint, name) is { } stored)
        {
            RequireShape(checkpoint, name, [rows, columns]);
            if (format != WeightFormat.Dense && format != stored)
                throw new ArgumentException($"{nameof(WeightFormat)} is {format}, but '{checkpoint.Folder}' stores '{name}' as {stored} already, and quantising twice would add up both errors. Leave the option at {WeightFormat.Dense}, or take the checkpoint that is not quantised.");
            return BitsAndBytes.Read(checkpoint, name, rows, columns, placement);
        }
        if (format == WeightFormat.Dense || !name.StartsWith($"{config.Spec.DecoderName}.layers.", StringComparison.Ordinal)) return base.Matrix(name, rows, columns);
        RequireShape(checkpoint, name, [rows, columns]);
        // From the numbers that are stored, whatever is computed in.
        WeightMatrix quantized;
        using (var weight = checkpoint.Read(name))
            quantized = format == WeightFormat.Int8 ? Int8Matrix.Quantize(weight, name, placement.DType, placement.Device) : Nf4Matrix.Quantize(weight, name, placement.DType, placement.Device);
        // In the heap, codes that stay break up the holes of what was read, and the next no longer fits there.
        HeapMemory.GiveBack();
        return quantized;
    }

    /// <summary>Makes sure that a tensor is there and has the shape that the config calls for.</summary>
    /// <exception cref="InvalidDataException">It is not, or has not.</exception>
    internal static void RequireShape(ModelCheckpoint checkpoint, string name, long[] shape)
    {
        if (!checkpoint.Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"'{checkpoint.Folder}' has no tensor '{name}', which its config.json calls for.");
        if (BitsAndBytes.StoredFormat(checkpoint, name) is null)
        {
            if (!entry.Shape.SequenceEqual(shape))
                throw new InvalidDataException($"Tensor '{name}' in '{checkpoint.Folder}' has shape ({string.Join(", ", entry.Shape)}); its config.json calls for ({string.Join(", ", shape)}).");
        }
        else if (BitsAndBytes.Problem(checkpoint, name, shape) is { } problem)
        {
            throw new InvalidDataException($"In '{checkpoint.Folder}' {problem}.");
        }
    }
}
