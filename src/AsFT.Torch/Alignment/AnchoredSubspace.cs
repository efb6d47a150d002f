using AsFT.Torch.Adapters;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>How much of an update lies in the subspace that the alignment direction anchors.</summary>
internal sealed class AnchoredSubspace(AlignmentDirection? direction, IReadOnlyList<LoraLayer> layers, AlignmentPenaltyOptions options) : IDisposable
{
    // Basis of the left singular vectors, or D/‖D‖_F for the flattened projection.
    private List<(LayerStack Stack, Tensor Anchor)>? _parts;

    /// <summary>Σ‖P·ΔW‖²_F / Σ‖ΔW‖²_F, a scalar.</summary>
    public Tensor Share()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        _parts ??= Prepare();
        Tensor? inside = null, all = null;
        foreach (var (stack, anchor) in _parts)
        {
            var (part, whole) = Energies(stack, anchor);
            inside = inside is null ? part : inside.add_(part.to(inside.dtype, inside.device), Scalars.One);
            all = all is null ? whole : all.add_(whole.to(all.dtype, all.device), Scalars.One);
        }
        if (all is null)
            return (layers.Count == 0 ? zeros([]) : zeros([], layers[0].A.dtype, layers[0].A.device)).MoveToOuterDisposeScope();
        // A host-side test for ΔW = 0 would make the host wait.
        return where(all.gt(Scalars.Zero), (inside! / all).clamp_(Scalars.Zero, Scalars.One), zeros_like(all)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var (_, anchor) in _parts ?? []) anchor.Dispose();
        _parts = null;
    }

    private (Tensor Inside, Tensor All) Energies(LayerStack stack, Tensor anchor)
    {
        var (a, b) = (stack.A(), stack.B());
        var gram = a.bmm(a.transpose(1, 2));
        var all = (b.transpose(1, 2).bmm(b) * gram).sum();
        Tensor inside;
        if (options.Projection == AlignmentProjection.Flattened)
        {
            inside = (anchor.bmm(a.transpose(1, 2).to(anchor.dtype)).to(b.dtype) * b).sum([1, 2]).pow(Scalars.Two).sum();
        }
        else
        {
            var low = anchor.transpose(1, 2).bmm(b.to(anchor.dtype)).to(b.dtype);
            inside = (low.transpose(1, 2).bmm(low) * gram).sum();
        }
        using Scalar squared = stack.Scale * stack.Scale;
        return (inside.mul_(squared), all.mul_(squared));
    }

    private List<(LayerStack, Tensor)> Prepare()
    {
        var anchored = layers.Where(layer => direction?.FindLayer(layer.Name) is { Norm: > 0 });
        var parts = new List<(LayerStack, Tensor)>();
        foreach (var stack in LayerStack.Group(anchored))
        {
            var directions = stack.Layers.Select(layer => direction!.FindLayer(layer.Name)!).ToArray();
            parts.Add((stack, options.Projection == AlignmentProjection.Flattened
                ? PenaltyForms.Unit(directions, stack, options)
                : PenaltyForms.Basis(directions, stack, options, options.Projection == AlignmentProjection.Subspace ? options.SubspaceRank : null)));
        }
        return parts;
    }
}
