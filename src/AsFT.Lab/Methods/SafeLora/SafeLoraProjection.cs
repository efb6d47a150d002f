using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Lab.Methods.SafeLora;

/// <summary>Which layers <see cref="SafeLoraProjection"/> projects.</summary>
public sealed record SafeLoraOptions
{
    /// <summary>Layers whose similarity is at most this, in [−1, 1], are projected; ignored when <see cref="LayerCount"/> is set.</summary>
    public double SimilarityThreshold { get; init; } = 0.5;

    /// <summary>When set, this many layers of the lowest similarity are projected instead; at least 1.</summary>
    public int? LayerCount { get; init; }

    /// <summary>Adapted layers (names or suffixes) that may go without a direction; they stay as they are.</summary>
    public IReadOnlyList<string> UnprotectedLayers { get; init; } = [];

    internal void Validate()
    {
        if (!(Math.Abs(SimilarityThreshold) <= 1))
            throw new ArgumentOutOfRangeException(nameof(SimilarityThreshold), SimilarityThreshold, "The similarity threshold must lie in [−1, 1].");
        OptionRange.Count.Check(LayerCount, nameof(LayerCount));
    }
}

/// <summary>What <see cref="SafeLoraProjection"/> found in one layer.</summary>
/// <param name="LayerName">The adapted layer.</param>
/// <param name="Similarity">Cosine between C·B·A and B·A; 1 when B·A = 0.</param>
/// <param name="IsProjected">Whether B was replaced.</param>
public readonly record struct SafeLoraLayer(string LayerName, double Similarity, bool IsProjected);

/// <summary>
/// Safe LoRA (Hsu et al., 2024), the post-hoc alternative to training with the penalty: B ← C·B with C = D·Dᵀ/‖D‖_F
/// in the layers whose update points away from the alignment direction. Here to compare methods.
/// </summary>
public static class SafeLoraProjection
{
    /// <summary>Projects the updates in place.</summary>
    /// <param name="direction">The alignment direction.</param>
    /// <param name="layers">The adapted layers.</param>
    /// <param name="options">Null: every layer with a similarity of at most 0.5.</param>
    /// <returns>One entry per layer that has a direction, in the order given.</returns>
    /// <exception cref="InvalidOperationException">Layers have no direction, or D = 0; names them all.</exception>
    public static IReadOnlyList<SafeLoraLayer> Apply(AlignmentDirection direction, IReadOnlyList<LoraLayer> layers, SafeLoraOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(direction);
        ArgumentNullException.ThrowIfNull(layers);
        options ??= new();
        options.Validate();
        var protection = new LayerProtection(direction, layers, options.UnprotectedLayers);

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        List<LoraLayer> candidates = [];
        List<(Tensor B, double Similarity)> projections = [];
        foreach (var layer in protection.Fitting())
        {
            using var left = direction.FindLayer(layer.Name)!.ReadLeft();
            if (!protection.Isolates(layer, left.Norm)) continue;
            candidates.Add(layer);
            projections.Add(Project(layer, left));
        }
        protection.Require();
        var chosen = Enumerable.Range(0, candidates.Count)
            .Where(i => options.LayerCount is not null || projections[i].Similarity <= options.SimilarityThreshold)
            .OrderBy(i => projections[i].Similarity).Take(options.LayerCount ?? candidates.Count).ToHashSet();
        foreach (var i in chosen) candidates[i].B.copy_(projections[i].B);
        return [.. candidates.Select((layer, i) => new SafeLoraLayer(layer.Name, projections[i].Similarity, chosen.Contains(i)))];
    }

    private static (Tensor B, double Similarity) Project(LoraLayer layer, LayerDirection direction)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (layer.A, layer.B);
        var left = direction.Left.to(b.dtype, b.device);
        using TorchSharp.Scalar norm = direction.Norm;
        var projected = left.mm(left.t().mm(b)).div_(norm);
        // ⟨X·A, Y·A⟩ = ⟨XᵀY, A·Aᵀ⟩: no (d_out × d_in) product.
        var gram = a.mm(a.t());
        double Inner(Tensor x, Tensor y) => (x.t().mm(y) * gram).sum().cpu().to(ScalarType.Float64).item<double>();
        var norms = Math.Sqrt(Inner(projected, projected)) * Math.Sqrt(Inner(b, b));
        var similarity = norms > 0 ? Math.Clamp(Inner(projected, b) / norms, -1, 1) : 1;
        return (projected.MoveToOuterDisposeScope(), similarity);
    }
}
