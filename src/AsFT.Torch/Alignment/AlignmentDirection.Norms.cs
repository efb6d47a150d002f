using System.Numerics;
using System.Runtime.InteropServices;
using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Alignment;

public sealed partial class AlignmentDirection
{
    /// <summary>Reads the norms of a direction's file: block by block, and without libtorch.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <returns>‖D‖_F of each layer, summed up in float64; NaN or infinite when D is.</returns>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; names it and the tensor.</exception>
    public static IReadOnlyList<AlignmentDirectionLayer> ReadNorms(string path)
    {
        using var file = SafetensorsFile.Open(path);
        ReadEnergy(file);
        // The right factor has orthonormal columns: the left one has D's norm.
        return [.. LayersOf(file).Select(layer => new AlignmentDirectionLayer(layer.Name, layer.ReadSpectrum is not null ? SpectrumFile.ReadNorm(file, layer.Name)
            : Norm(file, file.Entries[layer.Name + (file.Entries.ContainsKey(layer.Name + MatrixSuffix) ? MatrixSuffix : LeftSuffix)])))];
    }

    private static double Norm(SafetensorsFile file, SafetensorsEntry entry)
    {
        // Summed in the order of the blocks, so that the norm does not depend on which thread was first.
        var squares = new double[(entry.ByteCount + BlockReader.BlockBytes - 1) / BlockReader.BlockBytes];
        BlockReader.ForEach(entry.ByteCount, 3, (block, buffer, count) =>
        {
            var bytes = buffer[..count];
            file.ReadBytes(entry, bytes, block * BlockReader.BlockBytes);
            squares[block] = entry.DType switch
            {
                SafetensorsDType.F64 => Squares(MemoryMarshal.Cast<byte, double>(bytes)),
                SafetensorsDType.F32 => Squares(MemoryMarshal.Cast<byte, float>(bytes)),
                SafetensorsDType.F16 => Squares(MemoryMarshal.Cast<byte, Half>(bytes)),
                _ => Squares(Widened(bytes, buffer.Slice(BlockReader.BlockBytes, 2 * count))),
            };
        });
        return Math.Sqrt(squares.Sum());
    }

    private static Span<float> Widened(Span<byte> halves, Span<byte> room)
    {
        var numbers = MemoryMarshal.Cast<byte, float>(room);
        BFloat16.Widen(BFloat16.Of(halves), numbers);
        return numbers;
    }

    private static double Squares<T>(Span<T> numbers) where T : unmanaged, INumberBase<T>
    {
        var sum = 0.0;
        foreach (var number in numbers)
        {
            var wide = double.CreateTruncating(number);
            sum += wide * wide;
        }
        return sum;
    }
}
