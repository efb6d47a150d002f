using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>The penalty as the published code writes it: ‖(I − C)·(B·A)‖²_F with d × d products and autograd; C is made once before.</summary>
internal static class PublishedPenalty
{
    /// <summary>C = D·Dᵀ / ‖D‖_F, (d_out × d_out).</summary>
    public static Tensor Projection(Tensor direction) => direction.mm(direction.t()) / direction.norm();

    /// <summary>The penalty with its graph, scalar.</summary>
    public static Tensor Of(Tensor a, Tensor b, Tensor projection)
    {
        var update = b.mm(a);
        return (update - projection.mm(update)).pow(Scalars.Two).sum();
    }
}
