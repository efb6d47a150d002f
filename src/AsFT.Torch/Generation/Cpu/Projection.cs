using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>A linear layer as the kernels see it: where its numbers lie. The model must outlive it.</summary>
internal readonly unsafe struct Projection
{
    private readonly float* _weight;
    private readonly float* _bias;
    private readonly float* _a;
    private readonly float* _b;
    private readonly float _scale;

    public Projection(LinearLayer layer)
    {
        (InFeatures, OutFeatures) = ((int)layer.InFeatures, (int)layer.OutFeatures);
        _weight = Pointer(layer.Weight);
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

    /// <summary>Whether <see cref="Apply"/> gives what the layer's own forward gives.</summary>
    public static bool Handles(LinearLayer layer) =>
        IsPlain(layer.Weight) && layer.InFeatures >= SkinnyProduct.Width && (layer.Bias is null || IsPlain(layer.Bias))
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
    /// <param name="x">(rows × padded inputs), see <see cref="SkinnyProduct"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="y">(rows × …).</param>
    /// <param name="stride">Numbers from one row of y to the next.</param>
    /// <param name="share">First output and last + 1.</param>
    /// <param name="low">Room for rows × <see cref="Rank"/> numbers.</param>
    public void Apply(float* x, int rows, float* y, int stride, (int From, int To) share, float* low)
    {
        SkinnyProduct.Multiply(x, rows, _weight, InFeatures, y, stride, share.From, share.To);
        if (_bias is not null)
            for (var r = 0; r < rows; r++)
                for (var j = share.From; j < share.To; j++) y[(long)r * stride + j] += _bias[j];
        if (Rank == 0) return;
        // Every member takes A·x itself: it is small, and a meeting would cost more.
        SkinnyProduct.Multiply(x, rows, _a, InFeatures, low, Rank, 0, Rank);
        for (var r = 0; r < rows; r++)
            for (var j = share.From; j < share.To; j++)
                y[(long)r * stride + j] += _scale * RowMath.Dot(_b + (long)j * Rank, low + r * Rank, Rank);
    }
}
