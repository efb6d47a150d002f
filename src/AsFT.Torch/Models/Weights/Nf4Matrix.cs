using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using AsFT.Torch.Runtime.Cpu;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>4 bits a number, in blocks over the matrix as it is read row by row: value[code] · scale of the block. Codes and scales are those of bitsandbytes.</summary>
internal sealed class Nf4Matrix : QuantizedMatrix
{
    /// <summary>Numbers in a block.</summary>
    public const int DefaultBlock = 64;

    // Blocks that a thread makes at once; their scales lie on its stack.
    private const int BlocksAtOnce = 512;

    private readonly Tensor _codes;
    private readonly Tensor _values;
    private readonly Tensor _pairs;
    private readonly int _block;
    // Null on another device.
    private readonly unsafe byte* _code;
    private readonly unsafe float* _value;

    /// <param name="codes">Two a byte, uint8, filled up to whole blocks; kept.</param>
    /// <param name="scales">One a block; kept.</param>
    /// <param name="values">What the 16 codes stand for, float32.</param>
    /// <param name="block">Numbers in a block, a multiple of 32.</param>
    /// <param name="rows">d_out.</param>
    /// <param name="columns">d_in.</param>
    /// <param name="dtype">The format that is computed in.</param>
    /// <param name="device">Where the matrix is to lie.</param>
    public unsafe Nf4Matrix(Tensor codes, BlockScales scales, Tensor values, int block, long rows, long columns, ScalarType dtype, Device device) : base(rows, columns, dtype, device)
    {
        (_codes, Scales, _block) = (Keep(codes), scales, block);
        // Our own kernels read the first, libtorch the second.
        _values = values.cpu().clone().DetachFromDisposeScope();
        _pairs = Keep(Pairs(_values));
        _code = HostPointer(_codes);
        _value = (float*)HostPointer(_values);
    }

    public override WeightFormat Format => WeightFormat.Nf4;

    public override long ByteCount => _codes.numel() + Scales.ByteCount;

    /// <summary>Bytes of so many numbers with quantised scales.</summary>
    public static long BytesOf(long numbers)
    {
        var blocks = (numbers + DefaultBlock - 1) / DefaultBlock;
        return blocks * DefaultBlock / 2 + DoubleScales.BytesOf(blocks);
    }

    /// <summary>Codes, two a byte, the first of them in the high half.</summary>
    public Tensor Codes => _codes;

    /// <summary>A scale for each block.</summary>
    public BlockScales Scales { get; }

    private protected override long Unit => _block;

    /// <summary>Quantises a matrix on the CPU, so that it becomes the same on every device.</summary>
    /// <param name="weight">(d_out × d_in), in any floating-point format.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="dtype">The format that is computed in.</param>
    /// <param name="device">Where the matrix is to lie.</param>
    /// <param name="isDouble">Whether scales are quantised, too.</param>
    /// <exception cref="InvalidDataException">A number is not finite.</exception>
    public static unsafe Nf4Matrix Quantize(Tensor weight, string name, ScalarType dtype, Device device, bool isDouble = true)
    {
        using var scope = NewDisposeScope();
        var blocks = (weight.numel() + DefaultBlock - 1) / DefaultBlock;
        var (codes, scales) = (zeros(blocks * DefaultBlock / 2, ScalarType.Byte), new float[blocks]);
        byte* code = TensorMemory.Pointer(codes);
        foreach (var (start, numbers) in Pieces(weight, DefaultBlock, name))
        {
            float* source = (float*)TensorMemory.Pointer(numbers);
            var count = numbers.numel();
            ComputeThreads.ForEach((count + DefaultBlock - 1) / DefaultBlock, block =>
            {
                var at = block * DefaultBlock;
                scales[(start + at) / DefaultBlock] = Nf4Numbers.Quantize(source + at, (int)Math.Min(DefaultBlock, count - at), DefaultBlock, code + (start + at) / 2);
            });
        }
        BlockScales kept = isDouble ? DoubleScales.Quantize(scales, device) : new PlainScales(tensor(scales).to(device).DetachFromDisposeScope());
        return new Nf4Matrix(codes, kept, tensor(Nf4Numbers.Values.ToArray()), DefaultBlock, weight.shape[0], weight.shape[1], dtype, device);
    }

    private protected override unsafe void Write(Tensor target, long start)
    {
        var count = target.numel();
        if (Device.type == TorchSharp.DeviceType.CPU)
        {
            var numbers = (float*)TensorMemory.Pointer(target);
            long many = (long)BlocksAtOnce * _block, parts = (count + many - 1) / many;
            ComputeThreads.ForEach(parts, part => WriteNumbers(start + part * many, Math.Min(many, count - part * many), numbers + part * many));
            return;
        }
        WriteByLibtorch(target, start);
    }

    /// <summary>Numbers by operations of libtorch alone, none of which waits for the device: equal to those of our own kernels.</summary>
    internal void WriteByLibtorch(Tensor target, long start)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var count = target.numel();
        var blocks = (count + _block - 1) / _block;
        var whole = _pairs.index_select(0, _codes.narrow(0, start / 2, blocks * _block / 2).to(ScalarType.Int32)).view(blocks, _block);
        target.copy_(whole.mul_(Scales.Of(start / _block, blocks).unsqueeze(1)).view(-1).narrow(0, 0, count));
    }

    internal override unsafe void WriteRows(long first, int count, float* target)
    {
        long from = first * Columns, to = from + count * Columns;
        // Blocks need not end where rows do.
        var head = stackalloc float[_block];
        for (var begin = from / _block * _block; from < to && begin < from; begin = from)
        {
            var end = Math.Min(begin + _block, to);
            WriteNumbers(begin, end - begin, head);
            new ReadOnlySpan<float>(head + (from - begin), (int)(end - from)).CopyTo(new Span<float>(target, (int)(end - from)));
            target += end - from;
            from = end;
        }
        for (; from < to; from += (long)BlocksAtOnce * _block, target += (long)BlocksAtOnce * _block)
            WriteNumbers(from, Math.Min((long)BlocksAtOnce * _block, to - from), target);
    }

    // From the first of a block on, of at most BlocksAtOnce blocks.
    private unsafe void WriteNumbers(long start, long count, float* target)
    {
        var scales = stackalloc float[BlocksAtOnce];
        Scales.Write(start / _block, new Span<float>(scales, (int)((count + _block - 1) / _block)));
        Nf4Numbers.Dequantize(_code + start / 2, count, scales, _block, _value, target);
    }

    // What both codes of each possible byte stand for, (256 × 2).
    private static Tensor Pairs(Tensor values) =>
        stack([values.unsqueeze(1).expand(16, 16), values.unsqueeze(0).expand(16, 16)], 2).reshape(256, 2);

    public override void Dispose()
    {
        _codes.Dispose();
        _values.Dispose();
        _pairs.Dispose();
        Scales.Dispose();
    }
}
