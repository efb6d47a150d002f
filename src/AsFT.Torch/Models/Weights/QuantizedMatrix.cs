using System.Buffers;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>Weights that are made into numbers whenever they are multiplied with, one matrix at a time.</summary>
internal abstract class QuantizedMatrix(long rows, long columns, ScalarType dtype, Device device) : WeightMatrix(rows, columns, dtype, device)
{
    /// <summary>Numbers that libtorch makes at once: more would take more room on the way, fewer more calls.</summary>
    internal const long PieceNumbers = 8 << 20;

    // Of a matrix that is quantised on the CPU: 4 MiB stay in the cache.
    private const long QuantizedAtOnce = 1 << 20;

    /// <summary>Pieces begin at multiples of this many numbers.</summary>
    private protected abstract long Unit { get; }

    public override Tensor Multiply(Tensor input, Tensor? bias = null)
    {
        using var scope = NewDisposeScope();
        if (is_grad_enabled() && input.requires_grad) return RecomputedProduct.Apply(input, this, bias).MoveToOuterDisposeScope();
        return nn.functional.linear(input, Dense(input.dtype), bias).MoveToOuterDisposeScope();
    }

    internal override Tensor MultiplyBack(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return gradient.matmul(Dense(gradient.dtype)).MoveToOuterDisposeScope();
    }

    public override Tensor DenseRows(long first, long count, ScalarType? dtype = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var result = Room(count, dtype ?? DType);
        if (Device.type == TorchSharp.DeviceType.CPU && result.dtype is ScalarType.Float32 or ScalarType.BFloat16)
        {
            WriteRows(result, first);
            return result.MoveToOuterDisposeScope();
        }
        var flat = result.view(-1);
        long from = first * Columns, to = from + count * Columns, piece = Math.Max(PieceNumbers / Unit, 1) * Unit;
        for (var at = from / Unit * Unit; at < to; at += piece)
        {
            using var inner = NewDisposeScope();
            // Up to the end of a unit, which may lie behind what was asked for.
            var end = Math.Min(Math.Min(at + piece, (to + Unit - 1) / Unit * Unit), Rows * Columns);
            var (start, stop) = (Math.Max(at, from), Math.Min(end, to));
            var target = flat.narrow(0, start - from, stop - start);
            if (result.dtype == ScalarType.Float32 && start == at && stop == end)
            {
                Write(target, at);
                continue;
            }
            var numbers = empty(end - at, ScalarType.Float32, Device);
            Write(numbers, at);
            target.copy_(numbers.narrow(0, start - at, stop - start));
        }
        return result.MoveToOuterDisposeScope();
    }

    private Tensor Room(long rows, ScalarType dtype)
    {
        if (Device.type != TorchSharp.DeviceType.CPU) return empty([rows, Columns], dtype, Device);
        var (numbers, size) = (rows * Columns, (dtype is ScalarType.Float64 ? 8 : dtype is ScalarType.Float32 ? 4 : 2));
        return empty(HeapMemory.OfItsOwn(numbers * size) / size, dtype).narrow(0, 0, numbers).view(rows, Columns);
    }

    // Where our own kernels make numbers, they make them where they belong.
    private unsafe void WriteRows(Tensor result, long first)
    {
        var isNarrow = result.dtype == ScalarType.BFloat16;
        byte* target = TensorMemory.Pointer(result);
        TensorMemory.PreferLargePages(target, result.numel() * result.element_size());
        ComputeThreads.ForEach(result.shape[0], row =>
        {
            if (!isNarrow)
            {
                WriteRows(first + row, 1, (float*)target + row * Columns);
                return;
            }
            var numbers = ArrayPool<float>.Shared.Rent((int)Columns);
            fixed (float* one = numbers) WriteRows(first + row, 1, one);
            BFloat16.Narrow(numbers.AsSpan(0, (int)Columns), new Span<ushort>((ushort*)target + row * Columns, (int)Columns));
            ArrayPool<float>.Shared.Return(numbers);
        });
    }

    /// <summary>Makes numbers of a stretch of the matrix, read row by row.</summary>
    /// <param name="target">Takes them, float32, one-dimensional and contiguous.</param>
    /// <param name="start">The first, a multiple of <see cref="Unit"/>.</param>
    private protected abstract void Write(Tensor target, long start);

    /// <summary>Makes numbers of whole rows where they are to be multiplied by our own kernels; only on a CPU, from any thread.</summary>
    /// <param name="first">First row.</param>
    /// <param name="count">How many.</param>
    /// <param name="target">Takes count × d_in numbers.</param>
    internal abstract unsafe void WriteRows(long first, int count, float* target);

    /// <summary>Where a tensor's bytes begin, asked for once; null on another device than a CPU. They stay there while the tensor lives.</summary>
    internal static unsafe byte* HostPointer(Tensor tensor) => tensor.device_type == TorchSharp.DeviceType.CPU ? TensorMemory.Pointer(tensor) : null;

    /// <summary>Keeps a tensor as long as the matrix, on its device.</summary>
    private protected Tensor Keep(Tensor tensor) => tensor.to(Device).DetachFromDisposeScope();

    /// <summary>Numbers of a matrix that is to be quantised, in float32 and in pieces of whole units; rounded to another format before, where one is given.</summary>
    /// <exception cref="InvalidDataException">One is infinite or none: a quantised matrix has no place for it and would hide it.</exception>
    private protected static IEnumerable<(long Start, Tensor Numbers)> Pieces(Tensor weight, long unit, string name, ScalarType? rounded = null)
    {
        var flat = weight.detach().cpu().contiguous().view(-1);
        long total = flat.numel(), piece = Math.Max(QuantizedAtOnce / unit, 1) * unit;
        for (var start = 0L; start < total; start += piece)
        {
            using var scope = NewDisposeScope();
            var part = flat.narrow(0, start, Math.Min(piece, total - start));
            var numbers = (rounded is { } dtype ? part.to(dtype) : part).to(ScalarType.Float32).contiguous();
            if (!numbers.isfinite().all().item<bool>())
                throw new InvalidDataException($"Tensor '{name}' holds numbers that are infinite or not numbers; a quantised matrix would hide them. The file is damaged, or a training wrote them.");
            yield return (start, numbers);
        }
    }
}
