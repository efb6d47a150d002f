using AsFT.Torch.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>A decoder without a head, token ids to hidden states; what it computes its <see cref="DecoderSpec"/> says.</summary>
internal sealed class CausalDecoder : ModelPart
{
    private readonly Parameter _embedding;
    private readonly Scalar? _embeddingScale;
    private readonly DecoderLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly LayerKinds _kinds;

    internal CausalDecoder(ModelConfig config, ComputePlacement placement, WeightSource weights)
    {
        Config = config;
        Placement = placement;
        var name = config.Spec.DecoderName;
        _embedding = Own(weights, $"{name}.embed_tokens.weight", config.VocabularySize, config.HiddenSize);
        _layers = [.. Enumerable.Range(0, config.LayerCount).Select(i => Own(new DecoderLayer($"{name}.layers.{i}", i, config, weights)))];
        _norm = Own(new RmsNorm($"{name}.norm", config.HiddenSize, config.RmsNormEpsilon, config.Spec.Norm, weights));
        if (config.Spec.EmbeddingScale != 1) _embeddingScale = Rounded(config.Spec.EmbeddingScale, placement.DType);
        _kinds = new LayerKinds(config, placement);
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>Device and number format of weights and activations.</summary>
    public ComputePlacement Placement { get; }

    /// <summary>Token embeddings, (vocabulary × hidden).</summary>
    internal Parameter Embedding => _embedding;

    /// <summary>Rotary positions, windows and masks, by layer.</summary>
    internal LayerKinds Kinds => _kinds;

    /// <summary>Runs the decoder.</summary>
    /// <param name="ids">Token ids, (N × T) int64 on the model's device.</param>
    /// <param name="layout">Positions and mask of this batch.</param>
    /// <param name="cache">Keys and values of earlier tokens; the new ones are added.</param>
    /// <returns>Normalised hidden states, (N × T × hidden).</returns>
    /// <exception cref="ArgumentOutOfRangeException">More positions than the model has.</exception>
    /// <exception cref="InvalidOperationException">More tokens than the cache holds.</exception>
    public Tensor Forward(Tensor ids, SequenceLayout layout, KeyValueCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(layout);
        using var scope = NewDisposeScope();
        var context = Context(layout, ids.shape[1], cache);
        var hidden = Embed(ids);
        for (var i = 0; i < _layers.Length; i++) hidden = _layers[i].Forward(hidden, context.Of(i));
        cache?.Advance(ids.shape[1]);
        return Normalize(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The layers, first to last.</summary>
    internal IReadOnlyList<DecoderLayer> Layers => _layers;

    /// <summary>Embeddings of token ids (N × T), (N × T × hidden): what the first layer gets.</summary>
    internal Tensor Embed(Tensor ids)
    {
        var embedded = _embedding.index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);
        return _embeddingScale is null ? embedded : embedded.mul(_embeddingScale);
    }

    /// <summary>What the layers share in a pass over <paramref name="length"/> new tokens a row.</summary>
    internal DecoderContext Context(SequenceLayout layout, long length, KeyValueCache? cache) => _kinds.Context(layout, length, cache);

    /// <summary>The norm behind the last layer.</summary>
    internal Tensor Normalize(Tensor hidden) => _norm.forward(hidden);

    private protected override void Free()
    {
        _kinds.Dispose();
        _embeddingScale?.Dispose();
    }

    private static double Rounded(double value, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        return tensor(value, ScalarType.Float64).to(dtype).to(ScalarType.Float64).item<double>();
    }
}
