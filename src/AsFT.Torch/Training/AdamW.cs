using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>AdamW (Loshchilov and Hutter, arXiv 1711.05101) over one flat vector: a handful of calls a step, however many tensors are trained.</summary>
internal sealed class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly TrainingOptions _options;

    public AdamW(FlatParameters parameters, TrainingOptions options)
    {
        (_parameters, _options) = (parameters, options);
        FirstMoment = zeros_like(parameters.Values).DetachFromDisposeScope();
        SecondMoment = zeros_like(parameters.Values).DetachFromDisposeScope();
    }

    /// <summary>Running mean of the gradient, (n).</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Running mean of its square, (n).</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Updates done.</summary>
    public int Steps { get; set; }

    /// <summary>Updates the parameters from their gradients.</summary>
    public void Step(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Steps++;
        var (values, gradients) = (_parameters.Values, _parameters.Gradients);
        // Held until the end: see Scalars for what happens to numbers that are not.
        using Scalar keep = 1 - learningRate * _options.WeightDecay, beta1 = _options.Beta1, rest1 = 1 - _options.Beta1, beta2 = _options.Beta2,
            rest2 = 1 - _options.Beta2, correction2 = Math.Sqrt(1 - Math.Pow(_options.Beta2, Steps)), epsilon = _options.Epsilon,
            rate = -learningRate / (1 - Math.Pow(_options.Beta1, Steps));
        if (_options.WeightDecay > 0) values.mul_(keep);
        FirstMoment.mul_(beta1).add_(gradients, alpha: rest1);
        SecondMoment.mul_(beta2).addcmul_(gradients, gradients, rest2);
        var denominator = SecondMoment.sqrt().div_(correction2).add_(epsilon, Scalars.One);
        values.addcdiv_(FirstMoment, denominator, rate);
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
    }
}
