using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Where the tokens of a batch stand and which of them see which: positions and attention mask of one forward pass.</summary>
public sealed class SequenceLayout
{
    private SequenceLayout(Tensor? positions, long positionCount, Tensor? mask, bool isCausal, Tensor? keyPositions = null)
    {
        Positions = positions;
        KeyPositions = keyPositions;
        PositionCount = positionCount;
        Mask = mask;
        IsCausal = isCausal;
    }

    /// <summary>Position of each token, (N × T) int64; null when row positions simply count on from the cache.</summary>
    public Tensor? Positions { get; }

    /// <summary>Highest of <see cref="Positions"/> + 1, known without asking the device; 0 when <see cref="Positions"/> is null.</summary>
    public long PositionCount { get; }

    /// <summary>
    /// Position of each key, (N × S) int64, for layers with a window; null where they are the cache's slots, or without a cache
    /// <see cref="Positions"/>.
    /// </summary>
    public Tensor? KeyPositions { get; }

    /// <summary>
    /// Which keys (columns) a query (rows) may see, (N or 1 × 1 × T × S): bool, or numbers added to the scores
    /// (0 or −∞, in the model's format). Null when <see cref="IsCausal"/> says it all.
    /// </summary>
    public Tensor? Mask { get; }

    /// <summary>Whether plain causal attention is right, over the cache as well, with no mask; the fastest case.</summary>
    public bool IsCausal { get; }

    /// <summary>
    /// Rows count on from the cache (from position 0 without one) and are padded on the right. Causal attention needs
    /// no mask for that: padding lies behind every real token, so no real token sees it; the outputs at padding mean
    /// nothing and must not be used.
    /// </summary>
    public static SequenceLayout RightPadded { get; } = new(null, 0, null, isCausal: true);

    /// <summary>Rows padded on the left or right as a mask says.</summary>
    /// <param name="attentionMask">(N × T), non-zero for real tokens, on the model's device.</param>
    public static SequenceLayout FromAttentionMask(Tensor attentionMask)
    {
        ArgumentNullException.ThrowIfNull(attentionMask);
        using var scope = NewDisposeScope();
        var valid = attentionMask.to(ScalarType.Bool);
        var length = valid.shape[1];
        var positions = valid.to(ScalarType.Int64).cumsum(1).sub_(Scalars.One).clamp_min_(Scalars.Zero);
        var causal = ones(length, length, ScalarType.Bool, valid.device).tril();
        // A padded query would see nothing and its softmax be NaN, so every token also sees itself.
        var self = eye(length, length, ScalarType.Bool, valid.device);
        var mask = valid.view(-1, 1, 1, length).logical_and(causal).logical_or(self);
        return new(positions.MoveToOuterDisposeScope(), length, mask.MoveToOuterDisposeScope(), isCausal: false);
    }

    /// <summary>One new token per row behind a cache whose rows hold padding.</summary>
    /// <param name="positions">Position of the new token of each row, (N × 1) int64.</param>
    /// <param name="positionCount">Highest of them + 1.</param>
    /// <param name="mask">Which cache slots each row sees, the new one included, (N × 1 × 1 × S); see <see cref="Mask"/>.</param>
    /// <param name="keyPositions">Position of what lies in each slot, (N × S) int64; see <see cref="KeyPositions"/>.</param>
    public static SequenceLayout Step(Tensor positions, long positionCount, Tensor mask, Tensor? keyPositions = null)
    {
        ArgumentNullException.ThrowIfNull(positions);
        ArgumentNullException.ThrowIfNull(mask);
        return new(positions, positionCount, mask, isCausal: false, keyPositions);
    }

    /// <summary>Several examples in one row, none of which sees another.</summary>
    /// <param name="lengths">Tokens per example; their sum is T.</param>
    /// <param name="device">The model's device.</param>
    public static SequenceLayout Packed(IReadOnlyList<int> lengths, Device device)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        using var scope = NewDisposeScope();
        var positions = new List<long>();
        var examples = new List<long>();
        for (var i = 0; i < lengths.Count; i++)
            for (var t = 0; t < lengths[i]; t++)
            {
                positions.Add(t);
                examples.Add(i);
            }
        var example = tensor(examples, device: device);
        var length = examples.Count;
        var mask = example.unsqueeze(0).eq(example.unsqueeze(1)).logical_and(ones(length, length, ScalarType.Bool, device).tril());
        return new(
            tensor(positions, device: device).unsqueeze(0).MoveToOuterDisposeScope(), lengths.Max(),
            mask.view(1, 1, length, length).MoveToOuterDisposeScope(), isCausal: false);
    }
}
