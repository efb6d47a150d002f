using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>
/// Matrices as bitsandbytes stores them. In 4 bits: <c>N.weight</c> holds two codes a byte, <c>N.weight.absmax</c> and
/// <c>N.weight.quant_map</c> scales and values, <c>N.weight.nested_absmax</c> and <c>N.weight.nested_quant_map</c> those of quantised
/// scales, <c>N.weight.quant_state.bitsandbytes__nf4</c> a JSON text in bytes. In 8 bits: <c>N.weight</c> holds codes, <c>N.SCB</c> the
/// largest number of each row, <c>N.weight_format</c> 0 for row by row.
/// </summary>
internal static class BitsAndBytes
{
    private const string State = ".quant_state.bitsandbytes__", Nf4 = "nf4", Fp4 = "fp4", Weight = "weight";
    private const int LongestState = 1 << 14;

    private sealed record QuantState(int Block, long[] Shape, int NestedBlock, float Offset);

    /// <summary>How a matrix is stored; null: as numbers, or not at all.</summary>
    /// <exception cref="InvalidDataException">It is stored in a format that is not read.</exception>
    public static WeightFormat? StoredFormat(ModelCheckpoint checkpoint, string name)
    {
        if (checkpoint.Entries.ContainsKey(name + State + Fp4))
            throw new InvalidDataException($"'{checkpoint.Folder}' stores '{name}' as FP4, which is not read. Take the checkpoint that is not quantised; {nameof(WeightFormat)}.{WeightFormat.Nf4} quantises it while it is loaded, with a smaller error.");
        if (checkpoint.Entries.ContainsKey(name + State + Nf4)) return WeightFormat.Nf4;
        return checkpoint.Entries.ContainsKey(Scales(name)) ? WeightFormat.Int8 : null;
    }

    /// <summary>Names of what is stored beside a matrix.</summary>
    public static IEnumerable<string> Parts(string name) =>
        [name + ".absmax", name + ".quant_map", name + ".nested_absmax", name + ".nested_quant_map", name + State + Nf4, name + State + Fp4, Scales(name), Stem(name) + "weight_format"];

    /// <summary>Shape of a tensor, were it stored as numbers.</summary>
    /// <exception cref="InvalidDataException">Its state is damaged.</exception>
    public static IReadOnlyList<long> Shape(ModelCheckpoint checkpoint, string name) => StoredFormat(checkpoint, name) != WeightFormat.Nf4 ? checkpoint.Entries[name].Shape
        : TryRead(checkpoint, name, out var state, out var problem) ? state.Shape : throw new InvalidDataException($"In '{checkpoint.Folder}' {problem}.");

    /// <summary>A tensor as numbers, however it is stored; on the CPU.</summary>
    /// <exception cref="InvalidDataException">What it is stored with is damaged.</exception>
    public static Tensor ReadDense(ModelCheckpoint checkpoint, string name, ScalarType? dtype = null)
    {
        if (StoredFormat(checkpoint, name) is null) return checkpoint.Read(name, dtype);
        long[] shape = [.. Shape(checkpoint, name)];
        if (shape.Length != 2 || Problem(checkpoint, name, shape) is not null)
            throw new InvalidDataException($"In '{checkpoint.Folder}' {Problem(checkpoint, name, shape) ?? $"tensor '{name}' is no matrix"}.");
        using var matrix = Read(checkpoint, name, shape[0], shape[1], new ComputePlacement(CPU, dtype ?? ScalarType.Float32));
        return matrix.Dense();
    }

    /// <summary>Why a stored matrix is not the one that is wanted; null where it is.</summary>
    public static string? Problem(ModelCheckpoint checkpoint, string name, long[] shape)
    {
        string? Wrong(string part, bool isRight, string wanted) => !checkpoint.Entries.TryGetValue(part, out var entry) ? $"tensor '{part}' is missing, which '{name}' is read with"
            : isRight ? null : $"tensor '{part}' is {entry.DType.Name()} ({string.Join(" × ", entry.Shape)}); {wanted} is wanted";
        string? Sized(string part, SafetensorsDType dtype, long count) =>
            Wrong(part, checkpoint.Entries.TryGetValue(part, out var entry) && entry.DType == dtype && entry.ByteCount == count * dtype.Size(), $"{dtype.Name()} of {count} numbers");
        if (!checkpoint.Entries.TryGetValue(name, out var weight)) return $"tensor '{name}' is missing";
        if (StoredFormat(checkpoint, name) == WeightFormat.Int8)
        {
            return Wrong(name, weight.DType == SafetensorsDType.I8 && weight.Shape.SequenceEqual(shape), $"I8 ({string.Join(" × ", shape)})") ?? Sized(Scales(name), SafetensorsDType.F32, shape[0])
                ?? (checkpoint.Entries.ContainsKey(Stem(name) + "weight_format") && Number(checkpoint, Stem(name) + "weight_format") != 0
                    ? $"'{Stem(name)}weight_format' says that codes are not stored row by row; other orders are not read: save the model with a current bitsandbytes" : null);
        }
        if (!TryRead(checkpoint, name, out var state, out var problem)) return problem;
        if (!state.Shape.SequenceEqual(shape)) return $"tensor '{name}' is said to be {string.Join(" × ", state.Shape)}; config.json calls for {string.Join(" × ", shape)}";
        long numbers = shape.Aggregate(1L, (product, size) => product * size), blocks = (numbers + state.Block - 1) / state.Block;
        return Wrong(name, weight.ByteCount == (numbers + 1) / 2, $"{(numbers + 1) / 2} bytes") ?? Sized(name + ".quant_map", SafetensorsDType.F32, 16)
            ?? (state.NestedBlock == 0 ? Sized(name + ".absmax", SafetensorsDType.F32, blocks)
                : Sized(name + ".absmax", SafetensorsDType.U8, blocks) ?? Sized(name + ".nested_quant_map", SafetensorsDType.F32, 256)
                    ?? Sized(name + ".nested_absmax", SafetensorsDType.F32, (blocks + state.NestedBlock - 1) / state.NestedBlock));
    }

    /// <summary>Reads a matrix whose <see cref="Problem"/> is null.</summary>
    public static unsafe QuantizedMatrix Read(ModelCheckpoint checkpoint, string name, long rows, long columns, ComputePlacement placement)
    {
        using var scope = NewDisposeScope();
        if (StoredFormat(checkpoint, name) == WeightFormat.Int8)
            return new Int8Matrix(checkpoint.Read(name), checkpoint.Read(Scales(name)), placement.DType, placement.Device);
        if (!TryRead(checkpoint, name, out var state, out var problem)) throw new InvalidDataException($"In '{checkpoint.Folder}' {problem}.");
        var blocks = (rows * columns + state.Block - 1) / state.Block;
        // Bytes whatever they are stored as: for FSDP they pass for bfloat16. Filled up to whole blocks.
        var codes = zeros(blocks * state.Block / 2, ScalarType.Byte);
        var entry = checkpoint.Entries[name];
        byte* bytes = TensorMemory.Pointer(codes);
        foreach (var (start, count) in TensorMemory.Parts(entry.ByteCount, 1)) checkpoint.ShardOf(name).ReadBytes(entry, new Span<byte>(bytes + start, (int)count), start);
        Tensor Kept(string part) => checkpoint.Read(name + part, device: placement.Device).DetachFromDisposeScope();
        BlockScales scales = state.NestedBlock == 0 ? new PlainScales(Kept(".absmax"))
            : new DoubleScales(Kept(".absmax"), Kept(".nested_absmax"), Kept(".nested_quant_map"), state.Offset, state.NestedBlock);
        return new Nf4Matrix(codes, scales, checkpoint.Read(name + ".quant_map"), state.Block, rows, columns, placement.DType, placement.Device);
    }

    private static bool TryRead(ModelCheckpoint checkpoint, string name, out QuantState state, out string problem)
    {
        var part = name + State + Nf4;
        (state, problem) = (null!, $"'{part}' is no state of bitsandbytes in JSON with quant_type, blocksize and shape");
        var entry = checkpoint.Entries[part];
        if (entry.DType != SafetensorsDType.U8 || entry.ByteCount > LongestState) return false;
        var bytes = new byte[entry.ByteCount];
        checkpoint.ShardOf(part).ReadBytes(entry, bytes, 0);
        try
        {
            using var document = JsonDocument.Parse(bytes);
            var root = document.RootElement;
            var isNested = root.TryGetProperty("nested_blocksize", out var nested);
            state = new(root.GetProperty("blocksize").GetInt32(), [.. root.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())],
                isNested ? nested.GetInt32() : 0, isNested ? root.GetProperty("nested_offset").GetSingle() : 0);
            if (root.GetProperty("quant_type").GetString() != Nf4) return false;
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return false;
        }
        problem = $"'{part}' names blocks of {state.Block} numbers and of {state.NestedBlock} scales; powers of two from 32 to 4096 are wanted";
        return IsBlock(state.Block) && (state.NestedBlock == 0 || IsBlock(state.NestedBlock)) && state.Shape.All(size => size is > 0 and <= int.MaxValue);
    }

    private static bool IsBlock(int size) => size is >= 32 and <= 4096 && int.IsPow2(size);

    private static byte? Number(ModelCheckpoint checkpoint, string name)
    {
        var bytes = new byte[1];
        if (checkpoint.Entries[name].ByteCount != 1) return null;
        checkpoint.ShardOf(name).ReadBytes(checkpoint.Entries[name], bytes, 0);
        return bytes[0];
    }

    private static string Stem(string name) => name.EndsWith("." + Weight, StringComparison.Ordinal) ? name[..^Weight.Length] : name + ".";

    private static string Scales(string name) => Stem(name) + "SCB";
}
