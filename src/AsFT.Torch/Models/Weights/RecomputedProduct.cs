using static TorchSharp.torch;

namespace AsFT.Torch.Models.Weights;

/// <summary>x·Wᵀ + b for a W that is made dense for the product and again for the gradient to x, and is not kept in between. W and b are constants to it.</summary>
internal sealed class RecomputedProduct : autograd.SingleTensorFunction<RecomputedProduct>
{
    private const string Matrix = "matrix";

    // libtorch reads a gradient when backward() has returned and nothing here holds it any more, so the thread's last one is
    // held until its next: a collection in between would free it. No dispose scope may hold it, for that of a step would hold all.
    [ThreadStatic]
    private static Tensor? _handedOver;

    public override string Name => nameof(RecomputedProduct);

    /// <summary>The product; the open dispose scope frees what TorchSharp keeps of it beside the graph.</summary>
    public static Tensor Apply(Tensor input, QuantizedMatrix matrix, Tensor? bias) => apply(input, matrix, bias!);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        ArgumentNullException.ThrowIfNull(vars);
        var (input, matrix) = ((Tensor)vars[0], (QuantizedMatrix)vars[1]);
        ctx.save_data(Matrix, matrix);
        using var dense = matrix.Dense(input.dtype);
        return nn.functional.linear(input, dense, (Tensor?)vars[2]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        ArgumentNullException.ThrowIfNull(grad_output);
        var gradient = ((QuantizedMatrix)ctx.get_data(Matrix)).MultiplyBack(grad_output).DetachFromDisposeScope();
        // On a thread of libtorch's own there is no dispose scope that would free this.
        grad_output.Dispose();
        _handedOver?.Dispose();
        _handedOver = gradient;
        return [gradient, null!, null!];
    }
}
