using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>What all layers of one forward pass share.</summary>
internal readonly record struct DecoderContext(Tensor Cos, Tensor Sin, Tensor? Mask, bool IsCausal, KeyValueCache? Cache);

/// <summary>One pre-norm transformer layer: attention, then SwiGLU.</summary>
internal sealed class DecoderLayer : nn.Module
{
    private readonly RmsNorm _inputNorm;
    private readonly RmsNorm _postAttentionNorm;
    private readonly SelfAttention _attention;
    private readonly GatedMlp _mlp;

    public DecoderLayer(string name, int index, ModelConfig config, WeightSource weights) : base(nameof(DecoderLayer))
    {
        _inputNorm = new RmsNorm($"{name}.input_layernorm", config.HiddenSize, config.RmsNormEpsilon, weights);
        _attention = new SelfAttention($"{name}.self_attn", index, config, weights);
        _postAttentionNorm = new RmsNorm($"{name}.post_attention_layernorm", config.HiddenSize, config.RmsNormEpsilon, weights);
        _mlp = new GatedMlp($"{name}.mlp", config, weights);
        register_module("input_layernorm", _inputNorm);
        register_module("self_attn", _attention);
        register_module("post_attention_layernorm", _postAttentionNorm);
        register_module("mlp", _mlp);
    }

    /// <summary>Nothing: the parts are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    public Tensor Forward(Tensor hidden, in DecoderContext context)
    {
        using var scope = NewDisposeScope();
        // The sums go into the branch's output, which no backward formula needs.
        var attended = _attention.Forward(_inputNorm.forward(hidden), context).add_(hidden, Scalars.One);
        return _mlp.forward(_postAttentionNorm.forward(attended)).add_(attended, Scalars.One).MoveToOuterDisposeScope();
    }
}

/// <summary>Multi-head attention with rotary positions; key-value heads may be fewer than query heads (Ainslie et al., arXiv 2305.13245).</summary>
internal sealed class SelfAttention : nn.Module
{
    private readonly int _index;
    private readonly ModelConfig _config;
    private readonly LinearLayer _query;
    private readonly LinearLayer _key;
    private readonly LinearLayer _value;
    private readonly LinearLayer _output;

    public SelfAttention(string name, int index, ModelConfig config, WeightSource weights) : base(nameof(SelfAttention))
    {
        _index = index;
        _config = config;
        long queries = (long)config.HeadCount * config.HeadSize, keys = (long)config.KeyValueHeadCount * config.HeadSize;
        LinearLayer Project(string part, long inFeatures, long outFeatures)
        {
            var layer = new LinearLayer($"{name}.{part}", inFeatures, outFeatures, config.AttentionBias, weights);
            register_module(part, layer);
            return layer;
        }
        _query = Project("q_proj", config.HiddenSize, queries);
        _key = Project("k_proj", config.HiddenSize, keys);
        _value = Project("v_proj", config.HiddenSize, keys);
        _output = Project("o_proj", queries, config.HiddenSize);
    }

    /// <summary>Nothing: the parts are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    public Tensor Forward(Tensor hidden, in DecoderContext context)
    {
        long rows = hidden.shape[0], length = hidden.shape[1], size = _config.HeadSize;
        Tensor Heads(Tensor x) => x.view(rows, length, -1, size);

        var query = RotaryEmbedding.Rotate(Heads(_query.forward(hidden)), context.Cos, context.Sin);
        var key = RotaryEmbedding.Rotate(Heads(_key.forward(hidden)), context.Cos, context.Sin).transpose(1, 2);
        var value = Heads(_value.forward(hidden)).transpose(1, 2);
        if (context.Cache is not null) (key, value) = context.Cache.Append(_index, key, value);

        var mixed = length == 1 ? AttendOne(query, key, value, context) : AttendAll(query, key, value, context);
        return _output.forward(mixed.reshape(rows, length, -1));
    }

    // Query heads h·g … h·g + g − 1 read key-value head h. With one token a row they stand in for g tokens of that
    // head, so the cache is read where it lies, unexpanded.
    private Tensor AttendOne(Tensor query, Tensor key, Tensor value, in DecoderContext context) =>
        nn.functional.scaled_dot_product_attention(
            query.view(-1, _config.KeyValueHeadCount, _config.HeadCount / _config.KeyValueHeadCount, _config.HeadSize), key, value, context.Mask);

    private Tensor AttendAll(Tensor query, Tensor key, Tensor value, in DecoderContext context) =>
        nn.functional.scaled_dot_product_attention(
            query.transpose(1, 2), ExpandHeads(key), ExpandHeads(value), context.Mask, 0, context.IsCausal).transpose(1, 2);

    private Tensor ExpandHeads(Tensor x)
    {
        var group = _config.HeadCount / _config.KeyValueHeadCount;
        if (group == 1) return x;
        long[] s = x.shape;
        return x.unsqueeze(2).expand(s[0], s[1], group, s[2], s[3]).reshape(s[0], s[1] * group, s[2], s[3]);
    }
}

/// <summary>W_down·(silu(W_gate·x) ∘ W_up·x) (Shazeer, arXiv 2002.05202).</summary>
internal sealed class GatedMlp : nn.Module<Tensor, Tensor>
{
    private readonly LinearLayer _gate;
    private readonly LinearLayer _up;
    private readonly LinearLayer _down;

    public GatedMlp(string name, ModelConfig config, WeightSource weights) : base(nameof(GatedMlp))
    {
        LinearLayer Project(string part, long inFeatures, long outFeatures)
        {
            var layer = new LinearLayer($"{name}.{part}", inFeatures, outFeatures, config.MlpBias, weights);
            register_module(part, layer);
            return layer;
        }
        _gate = Project("gate_proj", config.HiddenSize, config.IntermediateSize);
        _up = Project("up_proj", config.HiddenSize, config.IntermediateSize);
        _down = Project("down_proj", config.IntermediateSize, config.HiddenSize);
    }

    /// <summary>Nothing: the parts are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    public override Tensor forward(Tensor input) =>
        _down.forward(nn.functional.silu(_gate.forward(input)) * _up.forward(input));
}
