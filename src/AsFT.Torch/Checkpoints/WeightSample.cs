using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>
/// A few numbers of a weight matrix, which tell models of one shape apart without reading them whole. They are taken as float64, so
/// that a format which holds the same numbers (bfloat16 stored as float32) gives the same sample, whatever the sharding.
/// </summary>
internal static class WeightSample
{
    private const int Count = 64;

    /// <summary>From a file, as stored; null where the tensor is not there or is stored otherwise than as floating-point numbers or quantised codes, which stand for themselves.</summary>
    public static double[]? Of(ModelCheckpoint checkpoint, string name)
    {
        if (!checkpoint.Entries.TryGetValue(name, out var entry) || entry.ByteCount == 0) return null;
        Func<byte[], double>? read = entry.DType switch
        {
            SafetensorsDType.BF16 => bytes => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt16LittleEndian(bytes) << 16),
            SafetensorsDType.F16 => bytes => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
            SafetensorsDType.F32 => bytes => BinaryPrimitives.ReadSingleLittleEndian(bytes),
            SafetensorsDType.F64 => bytes => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            SafetensorsDType.U8 or SafetensorsDType.I8 => bytes => bytes[0],
            _ => null,
        };
        if (read is null) return null;
        var (file, size) = (checkpoint.ShardOf(name), entry.DType.Size());
        var bytes = new byte[size];
        return [.. Places(entry.ByteCount / size).Select(place =>
        {
            file.ReadBytes(entry, bytes, place * size);
            return read(bytes);
        })];
    }

    /// <summary>From a matrix in memory, in the format it has there.</summary>
    public static double[] Of(Tensor weight)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var places = tensor(Places(weight.numel()), device: weight.device);
        // On the host before it is widened: Apple's GPU has no float64.
        return weight.detach().contiguous().view(-1).index_select(0, places).cpu().to(ScalarType.Float64).data<double>().ToArray();
    }

    /// <summary>SHA-256 over names, shapes and samples in the order of the names.</summary>
    public static string Digest(IEnumerable<(string Name, long Rows, long Columns, double[] Sample)> matrices)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, rows, columns, sample) in matrices.OrderBy(matrix => matrix.Name, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {rows} {columns}\n"));
            // One NaN is as good as another: widening may change its bits.
            foreach (var number in sample) hash.AppendData(BitConverter.GetBytes(double.IsNaN(number) ? double.NaN : number));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // Multiples of the golden ratio fall evenly, and on all rows and columns.
    private static long[] Places(long numbers) =>
        [.. Enumerable.Range(1, Count).Select(i => (long)Math.BigMul(unchecked((ulong)i * 0x9E3779B97F4A7C15), (ulong)numbers, out _))];
}
