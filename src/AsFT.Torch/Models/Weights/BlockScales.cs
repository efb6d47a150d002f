using AsFT.Torch.Runtime;
using AsFT.Torch.Runtime.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>One scale for each block of a matrix: as float32 numbers, or quantised again to 8 bits (double quantisation).</summary>
internal abstract class BlockScales : IDisposable
{
    /// <summary>Bytes they take.</summary>
    public abstract long ByteCount { get; }

    /// <summary>Scales of some blocks as float32 numbers, on the device of the matrix.</summary>
    public abstract Tensor Of(long first, long count);

    /// <summary>The same on a CPU, from any thread.</summary>
    public abstract void Write(long first, Span<float> target);

    public abstract void Dispose();
}

/// <summary>Scales as they are.</summary>
/// <param name="values">(blocks) float32, kept.</param>
internal sealed class PlainScales(Tensor values) : BlockScales
{
    private readonly unsafe float* _value = (float*)QuantizedMatrix.HostPointer(values);

    public override long ByteCount => 4 * values.numel();

    public override Tensor Of(long first, long count) => values.narrow(0, first, count);

    public override unsafe void Write(long first, Span<float> target) =>
        new ReadOnlySpan<float>(_value + first, target.Length).CopyTo(target);

    public override void Dispose() => values.Dispose();
}

/// <summary>Scales less their mean, in blocks of 8-bit codes: map[code] · nested maximum + mean.</summary>
internal sealed class DoubleScales : BlockScales
{
    private const int Block = 256;

    private readonly Tensor _codes;
    private readonly Tensor _nested;
    private readonly Tensor _map;
    private readonly unsafe byte* _code;
    private readonly unsafe float* _most;
    private readonly unsafe float* _number;
    private readonly Scalar _mean;
    private readonly float _meanValue;
    private readonly int _block;

    /// <param name="codes">(blocks) uint8, kept.</param>
    /// <param name="nested">Largest of each block of codes, float32, kept.</param>
    /// <param name="map">What the 256 codes stand for, float32, kept.</param>
    /// <param name="mean">Mean of the scales.</param>
    /// <param name="block">Codes in a block.</param>
    public unsafe DoubleScales(Tensor codes, Tensor nested, Tensor map, float mean, int block)
    {
        (_codes, _nested, _map, _meanValue, _block) = (codes, nested, map, mean, block);
        _mean = mean;
        _code = QuantizedMatrix.HostPointer(codes);
        _most = (float*)QuantizedMatrix.HostPointer(nested);
        _number = (float*)QuantizedMatrix.HostPointer(map);
    }

    public override long ByteCount => _codes.numel() + 4 * (_nested.numel() + _map.numel());

    /// <summary>8-bit codes of the scales.</summary>
    public Tensor Codes => _codes;

    /// <summary>Largest of each block of codes.</summary>
    public Tensor Nested => _nested;

    /// <summary>Mean of the scales.</summary>
    public float Mean => _meanValue;

    public override Tensor Of(long first, long count)
    {
        using var scope = NewDisposeScope();
        // Blocks of codes from the one that holds the first on.
        long from = first / _block, to = (first + count - 1) / _block + 1;
        var scales = _map.index_select(0, _codes.narrow(0, first, count).to(ScalarType.Int32));
        var nested = _nested.narrow(0, from, to - from).unsqueeze(1).expand(-1, _block).reshape(-1).narrow(0, first - from * _block, count);
        return scales.mul_(nested).add_(_mean, Scalars.One).MoveToOuterDisposeScope();
    }

    public override unsafe void Write(long first, Span<float> target)
    {
        for (var i = 0; i < target.Length; i++) target[i] = _number[_code[first + i]] * _most[(first + i) / _block] + _meanValue;
    }

    /// <summary>Bytes of so many scales.</summary>
    public static long BytesOf(long count) => count + sizeof(float) * ((count + Block - 1) / Block + DynamicCodes.Map.Length);

    /// <summary>Quantises scales as bitsandbytes does, in blocks of 256.</summary>
    /// <param name="scales">They are changed.</param>
    /// <param name="device">Where the result is to lie.</param>
    public static DoubleScales Quantize(float[] scales, Device device)
    {
        var mean = DynamicCodes.Mean(scales);
        for (var i = 0; i < scales.Length; i++) scales[i] -= mean;
        var (codes, nested) = (new byte[scales.Length], new float[(scales.Length + Block - 1) / Block]);
        for (var i = 0; i < nested.Length; i++)
        {
            var (from, count) = (i * Block, Math.Min(Block, scales.Length - i * Block));
            nested[i] = DynamicCodes.Quantize(scales.AsSpan(from, count), codes.AsSpan(from, count));
        }
        Tensor Kept(Tensor tensor) => tensor.to(device).DetachFromDisposeScope();
        return new(Kept(tensor(codes)), Kept(tensor(nested)), Kept(tensor(DynamicCodes.Map.ToArray())), mean, Block);
    }

    public override void Dispose()
    {
        _codes.Dispose();
        _nested.Dispose();
        _map.Dispose();
        _mean.Dispose();
    }
}
