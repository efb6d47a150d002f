using System.Runtime.Intrinsics;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime.Cpu;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>A linear layer as the kernels see it: where its numbers lie. The model must outlive it.</summary>
internal readonly unsafe struct Projection
{
    /// <summary>Outputs that are computed before they are put where they belong.</summary>
    public const int OutputsAtOnce = NarrowProduct.RowsPerPass;

    // Rows of a quantised matrix that are numbers at once; a multiple of a tile's, and few enough to stay in the second cache.
    private const int QuantizedRows = 24;

    private readonly float* _weight;
    private readonly QuantizedMatrix? _quantized;
    private readonly float* _bias;
    private readonly float* _a;
    private readonly float* _b;
    private readonly float _scale;

    public Projection(LinearLayer layer)
    {
        (InFeatures, OutFeatures) = ((int)layer.InFeatures, (int)layer.OutFeatures);
        _quantized = layer.Weight as QuantizedMatrix;
        if (_quantized is null) _weight = Pointer(layer.Weight.Parameter);
        if (layer.Bias is not null) _bias = Pointer(layer.Bias);
        if (layer.Adapter is not LoraLayer adapter) return;
        _a = Pointer(adapter.A);
        _b = Pointer(adapter.B);
        (_scale, Rank) = ((float)adapter.Scale, (int)adapter.A.shape[0]);
    }

    /// <summary>A matrix without bias, such as the embeddings where they are the head.</summary>
    public Projection(Tensor weight)
    {
        _weight = Pointer(weight);
        (OutFeatures, InFeatures) = ((int)weight.shape[0], (int)weight.shape[1]);
    }

    public int InFeatures { get; }

    public int OutFeatures { get; }

    /// <summary>Rank of the adapter; 0 without one.</summary>
    public int Rank { get; }

    /// <summary>Numbers that <see cref="Apply"/> needs room for beside its results: none where the weights are numbers already.</summary>
    public long Numbers => _quantized is null ? 0 : (long)QuantizedRows * InFeatures;

    /// <summary>Whether <see cref="Apply"/> gives what the layer's own forward gives.</summary>
    public static bool Handles(LinearLayer layer) =>
        (layer.Weight is QuantizedMatrix ? layer.Weight.Device.type == TorchSharp.DeviceType.CPU : IsPlain(layer.Weight.Parameter)) && layer.InFeatures >= NarrowProduct.Block && (layer.Bias is null || IsPlain(layer.Bias))
        && layer.Adapter is null or LoraLayer { IsTraining: false }
        && (layer.Adapter is not LoraLayer adapter || (IsPlain(adapter.A) && IsPlain(adapter.B)));

    public static bool IsPlain(Tensor tensor) =>
        tensor.dtype == ScalarType.Float32 && tensor.device_type == TorchSharp.DeviceType.CPU && tensor.is_contiguous();

    /// <summary>First number of a tensor; its memory stays where it is while the tensor lives.</summary>
    public static float* Pointer(Tensor tensor) => (float*)TensorMemory.Pointer(tensor);

    /// <summary>A member's share of the outputs: whole groups of four, but for the end.</summary>
    public (int From, int To) Share(int member, int members)
    {
        var fours = OutFeatures / 4;
        return (4 * (int)((long)fours * member / members), member == members - 1 ? OutFeatures : 4 * (int)((long)fours * (member + 1) / members));
    }

    /// <summary>Computes the outputs of a share.</summary>
    /// <param name="x">(padded rows × spaced inputs), the columns of a <see cref="NarrowProduct"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="y">(rows × …).</param>
    /// <param name="stride">Numbers from one row of y to the next.</param>
    /// <param name="share">First output and last + 1.</param>
    /// <param name="low">Room for <see cref="Rank"/> × padded rows numbers.</param>
    /// <param name="products">Room for <see cref="OutputsAtOnce"/> × padded rows numbers.</param>
    /// <param name="numbers">Room for <see cref="Numbers"/> numbers.</param>
    public void Apply(float* x, int rows, float* y, int stride, (int From, int To) share, float* low, float* products, float* numbers)
    {
        var columns = NarrowProduct.PaddedColumns(rows);
        // Every member takes A·x itself: it is small, and a meeting would cost more.
        if (Rank > 0) Multiply(_a, x, columns, low, Rank);
        // A quantised row is multiplied as soon as it is numbers, which never leave the cache.
        var atOnce = _quantized is null ? OutputsAtOnce : columns == 1 ? 1 : QuantizedRows;
        for (var first = share.From; first < share.To; first += atOnce)
        {
            var count = Math.Min(atOnce, share.To - first);
            var result = columns == 1 ? y + first : products;
            _quantized?.WriteRows(first, count, numbers);
            Multiply(_quantized is null ? _weight + (long)first * InFeatures : numbers, x, columns, result, count);
            if (Rank > 0) AddAdapter(low, columns, result, first, count);
            if (columns > 1) RowMath.Transpose(products, count, columns, y + first, rows, stride);
        }
        if (_bias is null) return;
        for (var r = 0; r < rows; r++)
            for (var j = share.From; j < share.To; j++) y[(long)r * stride + j] += _bias[j];
    }

    private void Multiply(float* w, float* x, int columns, float* result, int count) =>
        NarrowProduct.Multiply(w, InFeatures, x, columns, result, 0, count, Vector512.IsHardwareAccelerated);

    // result += scale·B·low
    private void AddAdapter(float* low, int columns, float* result, int first, int count)
    {
        for (var j = 0; j < count; j++)
        {
            var b = _b + (long)(first + j) * Rank;
            if (columns == 1)
            {
                result[j] += _scale * RowMath.Dot(b, low, Rank);
                continue;
            }
            for (var k = 0; k < Rank; k++) RowMath.AddScaled(result + (long)j * columns, low + (long)k * columns, _scale * b[k], columns);
        }
    }
}
