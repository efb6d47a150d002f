using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// <see cref="QuadraticForm"/> for float32 on the CPU, without libtorch: Y = M·B (+ B) in one reading of the symmetric M,
/// then values and gradients of a layer by whichever thread computed its last rows. Numbers do not depend on the threads.
/// </summary>
internal sealed unsafe class SymmetricKernel : IDisposable
{
    // Beyond this the products are large enough for libtorch.
    private const long MostRank = 64;

    // Below this a thread would be done before another has come.
    private const long BytesPerThread = 1 << 20;

    private const int RowsPerItem = 48;

    private readonly Tensor _matrix;
    private readonly bool _addsIdentity, _isWide;
    private readonly int _layers, _size, _itemsPerLayer;
    private readonly int[] _unfinished;
    private readonly SharedLoop _packing, _multiplying;
    private int _rank, _columns, _inFeatures;
    private float* _packed, _y, _small, _a, _b, _values, _halfA, _halfB;

    private SymmetricKernel(Tensor matrix, bool addsIdentity, bool isWide)
    {
        (_matrix, _addsIdentity, _isWide) = (matrix, addsIdentity, isWide);
        (_layers, _size) = ((int)matrix.shape[0], (int)matrix.shape[1]);
        _itemsPerLayer = Math.Max(1, _size / RowsPerItem);
        _unfinished = new int[_layers];
        (_packing, _multiplying) = (new SharedLoop(Pack), new SharedLoop(Multiply));
    }

    /// <summary>The kernel for a stack of matrices, or null where libtorch has to do it.</summary>
    /// <param name="matrix">M, (L × d × d), symmetric; it must outlive the kernel.</param>
    /// <param name="addsIdentity">Y = B + M·B instead of M·B.</param>
    /// <param name="isWide">Whether vectors have 512 bits; null: what the machine does best.</param>
    public static SymmetricKernel? TryCreate(Tensor matrix, bool addsIdentity, bool? isWide = null) =>
        Vector128.IsHardwareAccelerated && IsPlain(matrix) && matrix.shape[1] is >= NarrowProduct.Block and <= 1 << 20
            ? new(matrix, addsIdentity, isWide ?? Vector512.IsHardwareAccelerated)
            : null;

    /// <summary>Whether <see cref="Compute"/> takes these.</summary>
    public static bool Handles(Tensor a, Tensor b) =>
        a.dtype == ScalarType.Float32 && b.dtype == ScalarType.Float32 && a.device_type == DeviceType.CPU && b.device_type == DeviceType.CPU
        && a.shape[1] is >= 1 and <= MostRank && a.shape[2] is >= NarrowProduct.Block and <= int.MaxValue;

    /// <inheritdoc cref="PenaltyForm.Compute"/>
    public (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients)
    {
        using var scope = NewDisposeScope();
        (a, b) = (a.contiguous(), b.contiguous());
        Reserve((int)a.shape[1]);
        _inFeatures = (int)a.shape[2];
        var values = empty([_layers]);
        var (halfA, halfB) = withGradients ? (empty(a.shape), empty(b.shape)) : (null, null);
        _a = Pointer(a);
        _b = Pointer(b);
        _values = Pointer(values);
        _halfA = halfA is null ? null : Pointer(halfA);
        _halfB = halfB is null ? null : Pointer(halfB);
        _unfinished.AsSpan().Fill(_itemsPerLayer);
        var threads = (int)Math.Clamp(sizeof(float) * (long)_layers * _size * _size / BytesPerThread, 1, get_num_threads());
        _packing.Run(_layers, threads);
        _multiplying.Run(_layers * _itemsPerLayer, threads);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return (values.MoveToOuterDisposeScope(), halfA?.MoveToOuterDisposeScope(), halfB?.MoveToOuterDisposeScope());
    }

    /// <summary>Frees the working memory.</summary>
    public void Dispose() => Reserve(0);

    private void Pack(int layer) => NarrowProduct.Pack(_b + (long)layer * _size * _rank, _size, _rank, Packed(layer));

    private void Multiply(int item)
    {
        int layer = item / _itemsPerLayer, part = item % _itemsPerLayer, threes = _size / 3;
        int from = 3 * (int)((long)threes * part / _itemsPerLayer), to = part + 1 == _itemsPerLayer ? _size : 3 * (int)((long)threes * (part + 1) / _itemsPerLayer);
        var y = _y + (long)layer * _size * _columns;
        NarrowProduct.Multiply(Pointer(_matrix) + (long)layer * _size * _size, _size, Packed(layer), _columns, y, from, to, _isWide);
        var b = _b + (long)layer * _size * _rank;
        if (_addsIdentity)
            for (var i = from; i < to; i++)
                for (var c = 0; c < _rank; c++) y[(long)i * _columns + c] += b[(long)i * _rank + c];
        if (Interlocked.Decrement(ref _unfinished[layer]) == 0) Finish(layer, b, y);
    }

    /// <summary>S = Bᵀ·Y and G = A·Aᵀ; ⟨S, G⟩, S·A and Y·G.</summary>
    private void Finish(int layer, float* b, float* y)
    {
        var a = _a + (long)layer * _rank * _inFeatures;
        float* s = _small + 2L * layer * _columns * _columns, gram = s + _columns * _columns;
        SmallProducts.Gram(a, _rank, _inFeatures, gram, _columns);
        SmallProducts.Inner(b, y, _size, _rank, s, _columns);
        var value = 0d;
        for (var p = 0; p < _rank; p++)
            for (var q = 0; q < _rank; q++) value += (double)s[p * _columns + q] * gram[p * _columns + q];
        _values[layer] = (float)value;
        if (_halfA is null) return;
        SmallProducts.Multiply(s, _columns, a, _inFeatures, _halfA + (long)layer * _rank * _inFeatures, _rank, _rank, _inFeatures);
        SmallProducts.Multiply(y, _columns, gram, _columns, _halfB + (long)layer * _size * _rank, _size, _rank, _rank);
    }

    private float* Packed(int layer) => _packed + (long)layer * _columns * NarrowProduct.PackedStride(_size);

    /// <summary>Working memory for a rank; kept between steps, all of it small beside M.</summary>
    private void Reserve(int rank)
    {
        if (rank == _rank) return;
        NativeMemory.AlignedFree(_packed);
        NativeMemory.AlignedFree(_y);
        NativeMemory.AlignedFree(_small);
        _packed = _y = _small = null;
        (_rank, _columns) = (rank, NarrowProduct.PaddedColumns(rank));
        if (rank == 0) return;
        _packed = Allocate((long)_layers * _columns * NarrowProduct.PackedStride(_size));
        _y = Allocate((long)_layers * _size * _columns);
        _small = Allocate(2L * _layers * _columns * _columns);
    }

    // Zeroed: the filling is never written.
    private static float* Allocate(long count)
    {
        var memory = (float*)NativeMemory.AlignedAlloc((nuint)(sizeof(float) * count), 64);
        NativeMemory.Clear(memory, (nuint)(sizeof(float) * count));
        return memory;
    }

    private static bool IsPlain(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU && tensor.is_contiguous();

    private static float* Pointer(Tensor tensor) => (float*)TensorMemory.Pointer(tensor);
}
