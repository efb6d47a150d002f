using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>The low-rank update of one linear layer: y + scale · dropout(x)·Aᵀ·Bᵀ.</summary>
public sealed class LoraLayer : ILinearAdapter, IDisposable
{
    private readonly DropoutMasks? _dropout;
    private readonly int _index;

    /// <param name="target">The adapted layer.</param>
    /// <param name="a">A, (r × d_in); owned.</param>
    /// <param name="b">B, (d_out × r); owned.</param>
    /// <param name="scale">Factor on B·A.</param>
    /// <param name="dropout">The adapter's masks; null: no dropout.</param>
    /// <param name="index">Number of the layer in the adapter, which makes its masks its own.</param>
    internal LoraLayer(LinearLayer target, Parameter a, Parameter b, double scale, DropoutMasks? dropout = null, int index = 0)
    {
        (Target, A, B, Scale) = (target, a, b, scale);
        (_dropout, _index) = (dropout, index);
    }

    /// <summary>The adapted layer.</summary>
    internal LinearLayer Target { get; }

    /// <summary>Full name of the adapted layer.</summary>
    public string Name => Target.Name;

    /// <summary>A, (r × d_in).</summary>
    public Parameter A { get; }

    /// <summary>B, (d_out × r).</summary>
    public Parameter B { get; }

    /// <summary>α/r, or α/√r with rsLoRA.</summary>
    public double Scale { get; }

    /// <summary>Whether dropout is active.</summary>
    public bool IsTraining { get; set; }

    IEnumerable<(string Name, Tensor Value)> ILinearAdapter.Weights => [("lora_A", A), ("lora_B", B)];

    /// <inheritdoc/>
    public Tensor Apply(Tensor input, Tensor output)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        var scale = Scale;
        if (IsTraining && _dropout is not null)
        {
            // What 1/(1 − p) multiplies is cheaper multiplied once, behind the products.
            input = _dropout.Apply(input, _index);
            scale *= _dropout.Scale;
        }
        // A and B stay in float32; a half-precision model multiplies with rounded copies.
        var (a, b) = (A.to(input.dtype), B.to(input.dtype));
        var low = nn.functional.linear(input, a).view(-1, a.shape[0]);
        return addmm(output.view(-1, output.shape[^1]), low, b.t(), 1f, (float)scale).view(output.shape);
    }

    /// <summary>Adds sign · scale · B·A to a matrix, in its format; the sum is taken in the adapter's and then rounded. What it needs on the way is freed before it returns.</summary>
    /// <param name="weight">(d_out × d_in), on any device.</param>
    /// <param name="sign">1, or −1 to take the update away.</param>
    internal void AddTo(Tensor weight, double sign)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using Scalar scale = sign * Scale;
        var update = B.mm(A).mul_(scale).to(weight.device);
        weight.copy_(update.add_(weight, Scalars.One));
    }

    /// <summary>Layers of one shape, format, device and scale, which are computed as one batch; in the order in which shapes first appear.</summary>
    internal static IReadOnlyList<IReadOnlyList<LoraLayer>> Stacks(IEnumerable<LoraLayer> layers) =>
    [
        .. layers.GroupBy(layer => (layer.B.shape[0], layer.A.shape[1], layer.A.shape[0], layer.A.dtype, layer.A.device.ToString(), layer.Scale))
            .Select(IReadOnlyList<LoraLayer> (stack) => [.. stack]),
    ];

    /// <inheritdoc/>
    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }
}
