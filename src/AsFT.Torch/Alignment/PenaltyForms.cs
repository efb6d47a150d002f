using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Makes what a stack of layers needs, once: the cheapest form for its shape, on its device.</summary>
internal static class PenaltyForms
{
    public static PenaltyForm Create(AlignmentDirection? direction, LayerStack stack, AlignmentPenaltyOptions options)
    {
        if (options.Projection == AlignmentProjection.None) return new IsotropicForm();
        var layers = stack.Layers.Select(layer => direction!.FindLayer(layer.Name)!).ToArray();
        return options.Projection switch
        {
            AlignmentProjection.Reference => Reference(layers, stack, options),
            AlignmentProjection.Subspace => Subspace(layers, stack, options),
            AlignmentProjection.Guard => Guard(layers, stack, options),
            _ => new FlattenedForm(Unit(layers, stack, options)),
        };
    }

    /// <summary>Left singular vectors of a stack, (L × d_out × k); k is the stack's largest, the rest zeros.</summary>
    public static Tensor Basis(IReadOnlyList<LayerDirection> layers, LayerStack stack, AlignmentPenaltyOptions options, int? rank)
    {
        using var scope = NewDisposeScope();
        var dtype = options.StorageDType ?? stack.DType;
        var bases = new List<Tensor>();
        foreach (var layer in layers)
            bases.Add(LeftSingularVectors.Leading(layer, rank, options.SubspaceEnergy, stack.Device).to(dtype).to(stack.Device));
        var basis = zeros(layers.Count, layers[0].OutFeatures, bases.Max(b => b.shape[1]), dtype, stack.Device);
        for (var i = 0; i < bases.Count; i++) basis[i].narrow(1, 0, bases[i].shape[1]).copy_(bases[i]);
        return basis.DetachFromDisposeScope();
    }

    /// <summary>D/‖D‖_F of a stack, (L × d_out × d_in).</summary>
    public static Tensor Unit(IReadOnlyList<LayerDirection> layers, LayerStack stack, AlignmentPenaltyOptions options) =>
        Fill(layers, stack, options, layer =>
        {
            using Scalar norm = layer.Norm;
            return layer.Matrix.to(stack.DType, stack.Device).div(norm);
        });

    private static ProjectorForm Subspace(LayerDirection[] layers, LayerStack stack, AlignmentPenaltyOptions options)
    {
        var (d, smaller) = (layers[0].OutFeatures, Math.Min(layers[0].OutFeatures, layers[0].InFeatures));
        var names = string.Join(", ", stack.Layers.Select(layer => $"'{layer.Name}'"));
        if (options.SubspaceRank > smaller)
            throw new InvalidOperationException($"{nameof(AlignmentPenaltyOptions.SubspaceRank)} is {options.SubspaceRank}; D has at most {smaller} singular vectors in {names}.");
        var basis = Basis(layers, stack, options, options.SubspaceRank);
        if (basis.shape[2] < d) return new ProjectorForm(basis);
        // A penalty that is 0 whatever the update does would protect nothing, in silence.
        basis.Dispose();
        throw new InvalidOperationException($"The subspace of D is the whole space of dimension {d} in {names}, so the penalty would leave every update free; lower {nameof(AlignmentPenaltyOptions.SubspaceRank)} or {nameof(AlignmentPenaltyOptions.SubspaceEnergy)}.");
    }

    private static QuadraticForm Reference(LayerDirection[] layers, LayerStack stack, AlignmentPenaltyOptions options)
    {
        var (d, m) = (layers[0].OutFeatures, layers.Max(layer => layer.Left.shape[1]));
        // Numbers read per column of B: d² by the symmetric form, 2·d·m + m² by the factors.
        if (d * d <= 2 * d * m + m * m)
            return new SymmetricForm(Fill(layers, stack, options, layer =>
            {
                var left = layer.Left.to(stack.DType, stack.Device);
                using Scalar norm = layer.Norm;
                var c = left.mm(left.t()).div_(norm);
                return addmm(c, c, c, -2, 1);
            }));
        return new FactoredForm(
            Fill(layers, stack, options, layer => Widen(layer.Left.to(stack.DType, stack.Device), 0, m)),
            Fill(layers, stack, options, layer =>
            {
                var left = layer.Left.to(stack.DType, stack.Device);
                using Scalar square = layer.Norm * layer.Norm, two = 2 / layer.Norm;
                var core = left.t().mm(left).div_(square);
                core.diagonal().sub_(two);
                return Widen(core, m, m);
            }));
    }

    private static QuadraticForm Guard(LayerDirection[] layers, LayerStack stack, AlignmentPenaltyOptions options)
    {
        var (d, m) = (layers[0].OutFeatures, layers.Max(layer => layer.Left.shape[1]));
        // Numbers read per column of B: d² by the metric, 2·d·m + m² by its factors.
        if (d * d <= 2 * d * m + m * m)
            return new MetricForm(Fill(layers, stack, options, layer =>
            {
                var (left, core) = GuardFactors(layer, stack, options.GuardPower);
                return left.mm(core).mm(left.t());
            }));
        return new FactoredMetricForm(
            Fill(layers, stack, options, layer => Widen(GuardFactors(layer, stack, options.GuardPower).Left, 0, m)),
            Fill(layers, stack, options, layer => Widen(GuardFactors(layer, stack, options.GuardPower).Core, m, m)));
    }

    /// <summary>F and K with F·K·Fᵀ = d_out·(D·Dᵀ)^q/tr (D·Dᵀ)^q: F = L/‖D‖_F and K ∝ (FᵀF)^(q−1).</summary>
    private static (Tensor Left, Tensor Core) GuardFactors(LayerDirection layer, LayerStack stack, int power)
    {
        using Scalar norm = layer.Norm, width = layer.OutFeatures;
        var left = layer.Left.to(stack.DType, stack.Device).div(norm);
        var gram = left.t().mm(left);
        var core = eye(gram.shape[0], dtype: gram.dtype, device: gram.device);
        for (var i = 1; i < power; i++) core = core.mm(gram);
        return (left, core.div((core * gram).sum()).mul_(width));
    }

    private static Tensor Widen(Tensor matrix, long rows, long columns) =>
        nn.functional.pad(matrix, [0, columns - matrix.shape[1], 0, Math.Max(rows - matrix.shape[0], 0)]);

    /// <summary>One matrix per layer, written into place one by one: the peak is the stack and one layer's temporaries.</summary>
    private static Tensor Fill(IReadOnlyList<LayerDirection> layers, LayerStack stack, AlignmentPenaltyOptions options, Func<LayerDirection, Tensor> matrix)
    {
        using var scope = NewDisposeScope();
        Tensor? all = null;
        for (var i = 0; i < layers.Count; i++)
        {
            using var temporaries = NewDisposeScope();
            var one = matrix(layers[i]);
            all ??= empty([layers.Count, .. one.shape], options.StorageDType ?? stack.DType, stack.Device).MoveToOuterDisposeScope();
            all[i].copy_(one);
        }
        return all!.DetachFromDisposeScope();
    }
}
