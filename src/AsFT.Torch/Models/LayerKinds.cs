using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>What a layer is told of a pass.</summary>
/// <param name="Cos">Cosines of the positions; null: the layer has no rotary positions.</param>
/// <param name="Sin">Sines of the positions.</param>
/// <param name="Mask">Numbers added to the scores; null: none.</param>
/// <param name="IsCausal">Whether a token sees those before it and itself, which the kernel then knows without a mask.</param>
/// <param name="Cache">Keys and values of earlier tokens.</param>
internal readonly record struct LayerContext(Tensor? Cos, Tensor? Sin, Tensor? Mask, bool IsCausal, KeyValueCache? Cache);

/// <summary>One pass, seen by each layer.</summary>
internal readonly struct DecoderContext(LayerContext[] kinds, int[] kindOf)
{
    public LayerContext Of(int layer) => kinds[kindOf[layer]];
}

/// <summary>The kinds of layer that a decoder has, by rotary positions and window; layers of one kind share tables and mask.</summary>
internal sealed class LayerKinds : IDisposable
{
    private readonly (RotaryEmbedding? Rotary, int? Window)[] _kinds;
    private readonly int[] _kindOf;
    private readonly RotaryEmbedding[] _rotaries;
    private readonly ComputePlacement _placement;
    private readonly bool _needsMask;

    public LayerKinds(ModelConfig config, ComputePlacement placement)
    {
        var spec = config.Spec;
        _placement = placement;
        // Scores that are capped are made without the kernel that knows what causal means.
        _needsMask = spec.AttentionSoftCap is not null;
        var ofLayers = Enumerable.Range(0, config.LayerCount).Select(i => (Rotary: spec.RotaryOf(i), Window: spec.WindowOf(i))).ToList();
        var kinds = ofLayers.Distinct().ToList();
        var rotaries = kinds.Select(kind => kind.Rotary).OfType<RotarySpec>().Distinct()
            .ToDictionary(rotary => rotary, rotary => new RotaryEmbedding(rotary, config.HeadSize, config.MaxPositions, placement));
        _rotaries = [.. rotaries.Values];
        _kinds = [.. kinds.Select(kind => (kind.Rotary is null ? null : rotaries[kind.Rotary], kind.Window))];
        _kindOf = [.. ofLayers.Select(kind => kinds.IndexOf(kind))];
        MaxPositions = config.MaxPositions;
    }

    public long MaxPositions { get; }

    /// <summary>The tables of a layer, or null.</summary>
    public RotaryEmbedding? RotaryOf(int layer) => _kinds[_kindOf[layer]].Rotary;

    /// <summary>The longest sequence whose rotary positions are those of one of <paramref name="length"/> tokens.</summary>
    public long SameUpTo(long length) => _rotaries.Length == 0 ? long.MaxValue : _rotaries.Min(rotary => rotary.SameUpTo(length));

    public DecoderContext Context(SequenceLayout layout, long length, KeyValueCache? cache)
    {
        var cached = cache?.Length ?? 0;
        var highest = layout.Positions is null ? cached + length : layout.PositionCount;
        if (highest > MaxPositions)
            throw new ArgumentOutOfRangeException(nameof(length), $"The model has {MaxPositions} positions (max_position_embeddings); {highest} were asked for.");
        var tables = _rotaries.ToDictionary(rotary => rotary, rotary => layout.Positions is null ? rotary.Range(cached, length) : rotary.At(layout.Positions, layout.PositionCount));
        var visibility = new Dictionary<int, (Tensor? Mask, bool IsCausal)>();
        return new DecoderContext([.. _kinds.Select(kind =>
        {
            // A window that reaches to the first token hides nothing.
            var window = kind.Window is { } tokens && tokens < highest ? tokens : 0;
            if (!visibility.TryGetValue(window, out var seen)) visibility[window] = seen = Visibility(layout, cached, length, window);
            var (cos, sin) = kind.Rotary is null ? ((Tensor?)null, (Tensor?)null) : tables[kind.Rotary];
            return new LayerContext(cos, sin, seen.Mask, seen.IsCausal, cache);
        })], _kindOf);
    }

    // What the attention kernel is told: it takes its causal rule to begin at the first key, so a cache needs care.
    private (Tensor? Mask, bool IsCausal) Visibility(SequenceLayout layout, long cached, long length, int window)
    {
        var mask = layout.Mask;
        if (layout.IsCausal)
        {
            if (cached == 0 && window == 0 && !_needsMask) return (null, true);
            if (length == 1 && window == 0) return (null, false);
            mask = ones(length, cached + length, ScalarType.Bool, _placement.Device).tril(cached).view(1, 1, length, -1);
        }
        if (window > 0) mask = mask is null ? null : Hide(mask, Distances(layout, cached, length), window);
        // Added numbers instead of bool: the kernel would convert it once a layer.
        if (mask?.dtype == ScalarType.Bool)
            mask = zeros(mask.shape, _placement.DType, _placement.Device).masked_fill_(mask.logical_not(), Scalars.NegativeInfinity);
        return (mask, false);
    }

    private static Tensor Hide(Tensor mask, Tensor distances, int window)
    {
        using Scalar far = window;
        return mask.dtype == ScalarType.Bool
            ? mask.logical_and(distances.lt(far))
            : mask.masked_fill(distances.ge(far), Scalars.NegativeInfinity);
    }

    // Position of each query less that of each key, (N or 1 × 1 × T × S).
    private Tensor Distances(SequenceLayout layout, long cached, long length)
    {
        using Scalar first = cached, end = cached + length;
        var queries = layout.Positions ?? arange(first, end, Scalars.One, ScalarType.Int64, _placement.Device).unsqueeze(0);
        var keys = layout.KeyPositions ?? (layout.Positions is not null && cached == 0 ? layout.Positions : arange(Scalars.Zero, end, Scalars.One, ScalarType.Int64, _placement.Device).unsqueeze(0));
        return (queries.unsqueeze(2) - keys.unsqueeze(1)).unsqueeze(1);
    }

    public void Dispose()
    {
        foreach (var rotary in _rotaries) rotary.Dispose();
    }
}
