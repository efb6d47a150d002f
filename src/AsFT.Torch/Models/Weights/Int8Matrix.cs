using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using AsFT.Torch.Runtime.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>8 bits a number: code · absmax / 127, absmax the largest of its row (Dettmers et al., arXiv 2208.07339). Codes and maxima are those of bitsandbytes.</summary>
internal sealed class Int8Matrix : QuantizedMatrix
{
    private static readonly Scalar Step = Int8Numbers.Step;
    private readonly Tensor _codes;
    private readonly Tensor _absmax;
    // Null on another device.
    private readonly unsafe sbyte* _code;
    private readonly unsafe float* _most;

    /// <param name="codes">(d_out × d_in) int8.</param>
    /// <param name="absmax">(d_out) float32.</param>
    /// <param name="dtype">The format that is computed in.</param>
    /// <param name="device">Where the matrix is to lie.</param>
    public unsafe Int8Matrix(Tensor codes, Tensor absmax, ScalarType dtype, Device device) : base(codes.shape[0], codes.shape[1], dtype, device)
    {
        (_codes, _absmax) = (Keep(codes), Keep(absmax));
        _code = (sbyte*)HostPointer(_codes);
        _most = (float*)HostPointer(_absmax);
    }

    public override WeightFormat Format => WeightFormat.Int8;

    public override long ByteCount => _codes.numel() + 4 * _absmax.numel();

    /// <summary>Codes, (d_out × d_in) int8.</summary>
    public Tensor Codes => _codes;

    /// <summary>Largest number of each row, (d_out) float32.</summary>
    public Tensor Absmax => _absmax;

    private protected override long Unit => Columns;

    /// <summary>Quantises a matrix on the CPU, so that it becomes the same on every device.</summary>
    /// <param name="weight">(d_out × d_in), in any floating-point format; bitsandbytes takes it in float16.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="dtype">The format that is computed in.</param>
    /// <param name="device">Where the matrix is to lie.</param>
    /// <exception cref="InvalidDataException">A number is not finite, in float16 either.</exception>
    public static unsafe Int8Matrix Quantize(Tensor weight, string name, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var (codes, absmax) = (empty(weight.shape, ScalarType.Int8), empty(weight.shape[0], ScalarType.Float32));
        var columns = weight.shape[1];
        sbyte* code = (sbyte*)TensorMemory.Pointer(codes);
        float* most = (float*)TensorMemory.Pointer(absmax);
        foreach (var (start, numbers) in Pieces(weight, columns, name, ScalarType.Float16))
        {
            var source = (float*)TensorMemory.Pointer(numbers);
            ComputeThreads.ForEach(numbers.numel() / columns, row =>
                most[start / columns + row] = Int8Numbers.Quantize(source + row * columns, columns, code + start + row * columns));
        }
        return new Int8Matrix(codes, absmax, dtype, device);
    }

    private protected override unsafe void Write(Tensor target, long start)
    {
        var (first, count) = (start / Columns, target.numel() / Columns);
        if (Device.type == DeviceType.CPU)
        {
            var numbers = (float*)TensorMemory.Pointer(target);
            ComputeThreads.ForEach(count, row => WriteRows(first + row, 1, numbers + row * Columns));
            return;
        }
        target.view(count, Columns).copy_(_codes.narrow(0, first, count)).mul_(_absmax.narrow(0, first, count).unsqueeze(1)).mul_(Step);
    }

    internal override unsafe void WriteRows(long first, int count, float* target)
    {
        for (var row = first; row < first + count; row++, target += Columns)
            Int8Numbers.Dequantize(_code + row * Columns, Columns, _most[row], target);
    }

    public override void Dispose()
    {
        _codes.Dispose();
        _absmax.Dispose();
    }
}
