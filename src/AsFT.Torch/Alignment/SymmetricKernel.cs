using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// <see cref="QuadraticForm"/> for float32 on the CPU, without libtorch: Y = M·B (+ B) in one reading of the symmetric M, and
/// what follows from some rows of Y while they are in the cache. Numbers do not depend on the threads.
/// </summary>
internal sealed unsafe class SymmetricKernel : IDisposable
{
    // Beyond this the products are large enough for libtorch.
    private const long MostRank = 64;

    // Below this a thread would be done before another has come.
    private const long BytesPerThread = 1 << 20;

    private const int RowsPerItem = 48;

    private readonly Tensor _matrix;
    private readonly float* _m;
    private readonly bool _addsIdentity, _isWide;
    private readonly int _layers, _size, _itemsPerLayer;
    private readonly int[] _unfinished;
    private readonly SharedLoop _preparing, _multiplying;
    private int _rank, _inFeatures, _columns;
    private bool _withGradients;
    private Tensor? _values, _halfA, _halfB;
    private float* _packed, _y, _grams, _parts, _a, _b, _toValues, _toHalfA, _toHalfB;

    private SymmetricKernel(Tensor matrix, bool addsIdentity, bool isWide)
    {
        (_matrix, _addsIdentity, _isWide) = (matrix, addsIdentity, isWide);
        _m = Pointer(matrix);
        (_layers, _size) = ((int)matrix.shape[0], (int)matrix.shape[1]);
        _itemsPerLayer = Math.Max(1, _size / RowsPerItem);
        _unfinished = new int[_layers];
        (_preparing, _multiplying) = (new SharedLoop(Prepare), new SharedLoop(Multiply));
    }

    /// <summary>The kernel for a stack of matrices, or null where libtorch has to do it.</summary>
    /// <param name="matrix">M, (L × d × d), symmetric; it must outlive the kernel.</param>
    /// <param name="addsIdentity">Y = B + M·B instead of M·B.</param>
    /// <param name="isWide">Whether vectors have 512 bits; null: what the machine does best.</param>
    public static SymmetricKernel? TryCreate(Tensor matrix, bool addsIdentity, bool? isWide = null) =>
        NarrowProduct.IsSupported && IsPlain(matrix) && matrix.shape[1] is >= NarrowProduct.Block and <= 1 << 20
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
        if (!a.is_contiguous()) a = a.contiguous();
        if (!b.is_contiguous()) b = b.contiguous();
        Reserve((int)a.shape[1], (int)a.shape[2]);
        _a = Pointer(a);
        _b = Pointer(b);
        _withGradients = withGradients;
        _unfinished.AsSpan().Fill(_itemsPerLayer);
        var threads = (int)Math.Clamp(sizeof(float) * (long)_layers * _size * _size / BytesPerThread, 1, get_num_threads());
        _preparing.Run(_layers, threads);
        _multiplying.Run(_layers * _itemsPerLayer, threads);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(_matrix);
        return (_values!, withGradients ? _halfA : null, withGradients ? _halfB : null);
    }

    /// <summary>Frees the working memory and the results.</summary>
    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>For a penalty that nobody disposed of: the tensors have finalizers of their own.</summary>
    ~SymmetricKernel() => Free();

    /// <summary>B column by column, and G = A·Aᵀ.</summary>
    private void Prepare(int layer)
    {
        NarrowProduct.Pack(_b + (long)layer * _size * _rank, _size, _rank, Packed(layer));
        SmallProducts.Gram(_a + (long)layer * _rank * _inFeatures, _rank, _inFeatures, Gram(layer), _columns);
    }

    /// <summary>Some rows of Y, their part of S = Bᵀ·Y, and of Y·G.</summary>
    private void Multiply(int item)
    {
        int layer = item / _itemsPerLayer, part = item % _itemsPerLayer, threes = _size / 3;
        int from = 3 * (int)((long)threes * part / _itemsPerLayer), to = part + 1 == _itemsPerLayer ? _size : 3 * (int)((long)threes * (part + 1) / _itemsPerLayer);
        NarrowProduct.Multiply(_m + (long)layer * _size * _size, _size, Packed(layer), _columns, _y + (long)layer * _size * _columns, from, to, _isWide);
        var first = (long)layer * _size + from;
        float* b = _b + first * _rank, y = _y + first * _columns;
        if (_addsIdentity)
            for (var i = 0; i < to - from; i++)
                for (var c = 0; c < _rank; c++) y[(long)i * _columns + c] += b[(long)i * _rank + c];
        SmallProducts.Inner(b, y, to - from, _rank, Part(item), _columns);
        if (_withGradients) SmallProducts.Multiply(y, _columns, Gram(layer), _columns, _toHalfB + first * _rank, to - from, _rank, _rank);
        if (Interlocked.Decrement(ref _unfinished[layer]) == 0) Finish(layer);
    }

    /// <summary>S from its parts, ⟨S, G⟩ and S·A, by whichever thread computed a layer's last rows.</summary>
    private void Finish(int layer)
    {
        float* s = Part(layer * _itemsPerLayer), gram = Gram(layer);
        for (var part = 1; part < _itemsPerLayer; part++)
        {
            var other = Part(layer * _itemsPerLayer + part);
            for (var i = 0; i < _columns * _columns; i++) s[i] += other[i];
        }
        var value = 0d;
        for (var p = 0; p < _rank; p++)
            for (var q = 0; q < _rank; q++) value += (double)s[p * _columns + q] * gram[p * _columns + q];
        _toValues[layer] = (float)value;
        var a = (long)layer * _rank * _inFeatures;
        if (_withGradients) SmallProducts.Multiply(s, _columns, _a + a, _inFeatures, _toHalfA + a, _rank, _rank, _inFeatures);
    }

    private float* Packed(int layer) => _packed + (long)layer * _columns * NarrowProduct.Stride(_size);

    private float* Gram(int layer) => _grams + (long)layer * _columns * _columns;

    private float* Part(int item) => _parts + (long)item * _columns * _columns;

    /// <summary>Memory for a shape, kept between steps: small beside M, and new pages every step would take longer than the rest.</summary>
    private void Reserve(int rank, int inFeatures)
    {
        if ((rank, inFeatures) == (_rank, _inFeatures)) return;
        Release();
        _columns = Math.Max(NarrowProduct.Group, NarrowProduct.PaddedColumns(rank));
        _packed = Allocate((long)_layers * _columns * NarrowProduct.Stride(_size));
        _y = Allocate((long)_layers * _size * _columns);
        _grams = Allocate((long)_layers * _columns * _columns);
        _parts = Allocate((long)_layers * _itemsPerLayer * _columns * _columns);
        _toValues = Pointer(_values = empty([_layers]).DetachFromDisposeScope());
        _toHalfA = Pointer(_halfA = empty([_layers, rank, inFeatures]).DetachFromDisposeScope());
        _toHalfB = Pointer(_halfB = empty([_layers, _size, rank]).DetachFromDisposeScope());
        // Last: what could not be had is asked for again.
        (_rank, _inFeatures) = (rank, inFeatures);
    }

    private void Release()
    {
        Free();
        _values?.Dispose();
        _halfA?.Dispose();
        _halfB?.Dispose();
        _values = _halfA = _halfB = null;
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_packed);
        NativeMemory.AlignedFree(_y);
        NativeMemory.AlignedFree(_grams);
        NativeMemory.AlignedFree(_parts);
        _packed = _y = _grams = _parts = null;
        _rank = _inFeatures = 0;
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
