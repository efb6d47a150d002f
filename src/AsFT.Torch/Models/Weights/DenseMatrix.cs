using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>Weights as numbers of the format that is computed in.</summary>
/// <param name="weight">(d_out × d_in); its owner is whoever holds it under its name.</param>
internal sealed class DenseMatrix(Parameter weight) : WeightMatrix(weight.shape[0], weight.shape[1], weight.dtype, weight.device)
{
    public override WeightFormat Format => WeightFormat.Dense;

    public override long ByteCount => weight.numel() * weight.element_size();

    public override Parameter Parameter => weight;

    public override Tensor Multiply(Tensor input, Tensor? bias = null) => nn.functional.linear(input, weight, bias);

    internal override Tensor MultiplyBack(Tensor gradient)
    {
        using var _ = no_grad();
        return gradient.matmul(weight);
    }

    public override Tensor DenseRows(long first, long count, ScalarType? dtype = null)
    {
        using var rows = weight.detach().narrow(0, first, count);
        return rows.to(dtype ?? DType, copy: true);
    }

    public override void Dispose()
    {
    }
}
