using AsFT.Torch.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>The Llama decoder without a head: token ids to hidden states.</summary>
public sealed class LlamaDecoder : nn.Module
{
    private readonly EmbeddingTable _embedding;
    private readonly DecoderLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly RotaryEmbedding _rotary;

    internal LlamaDecoder(string name, ModelConfig config, ComputePlacement placement, WeightSource weights) : base(nameof(LlamaDecoder))
    {
        Config = config;
        Placement = placement;
        _embedding = new EmbeddingTable(weights.Parameter($"{name}.embed_tokens.weight", config.VocabularySize, config.HiddenSize));
        register_module("embed_tokens", _embedding);
        _layers = [.. Enumerable.Range(0, config.LayerCount).Select(i => new DecoderLayer($"{name}.layers.{i}", i, config, weights))];
        var layers = new LayerList(_layers);
        register_module("layers", layers);
        _norm = new RmsNorm($"{name}.norm", config.HiddenSize, config.RmsNormEpsilon, weights);
        register_module("norm", _norm);
        _rotary = new RotaryEmbedding(config, placement);
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>Device and number format of weights and activations.</summary>
    public ComputePlacement Placement { get; }

    /// <summary>Token embeddings, (vocabulary × hidden).</summary>
    internal Parameter Embedding => _embedding.Weight;

    /// <summary>Sines and cosines of the positions.</summary>
    internal RotaryEmbedding Rotary => _rotary;

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
        foreach (var layer in _layers) hidden = layer.Forward(hidden, context);
        cache?.Advance(ids.shape[1]);
        return Normalize(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The layers, first to last.</summary>
    internal IReadOnlyList<DecoderLayer> Layers => _layers;

    /// <summary>Embeddings of token ids (N × T), (N × T × hidden): what the first layer gets.</summary>
    internal Tensor Embed(Tensor ids) => Embedding.index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);

    /// <summary>What the layers share in a pass over <paramref name="length"/> new tokens a row.</summary>
    internal DecoderContext Context(SequenceLayout layout, long length, KeyValueCache? cache)
    {
        var cached = cache?.Length ?? 0;
        var (cos, sin) = layout.Positions is null ? _rotary.Range(cached, length) : _rotary.At(layout.Positions, layout.PositionCount);
        var (mask, isCausal) = Visibility(layout, cached, length);
        return new DecoderContext(cos, sin, mask, isCausal, cache);
    }

    /// <summary>The norm behind the last layer.</summary>
    internal Tensor Normalize(Tensor hidden) => _norm.forward(hidden);

    // What the attention kernel is told: it takes its causal rule to begin at the first key, so a cache needs care.
    private (Tensor? Mask, bool IsCausal) Visibility(SequenceLayout layout, long cached, long length)
    {
        var mask = layout.Mask;
        if (layout.IsCausal)
        {
            if (cached == 0) return (null, true);
            if (length == 1) return (null, false);
            mask = ones(length, cached + length, ScalarType.Bool, Placement.Device).tril(cached).view(1, 1, length, -1);
        }
        // Added numbers instead of bool: the kernel would convert it once a layer.
        if (mask?.dtype == ScalarType.Bool)
            mask = zeros(mask.shape, Placement.DType, Placement.Device).masked_fill_(mask.logical_not(), Scalars.NegativeInfinity);
        return (mask, false);
    }

    /// <summary>Nothing: the parts are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary.Dispose();
        base.Dispose(disposing);
    }

    // These two exist only to give the weights their checkpoint names.
    private sealed class EmbeddingTable : nn.Module
    {
        public EmbeddingTable(Parameter weight) : base(nameof(EmbeddingTable))
        {
            Weight = weight;
            register_parameter("weight", weight);
        }

        public Parameter Weight { get; }
    }

    private sealed class LayerList : nn.Module
    {
        public LayerList(DecoderLayer[] layers) : base(nameof(LayerList))
        {
            for (var i = 0; i < layers.Length; i++) register_module($"{i}", layers[i]);
        }
    }
}
