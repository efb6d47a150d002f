using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Multi-head attention; key-value heads may be fewer than query heads (Ainslie et al., arXiv 2305.13245).</summary>
internal sealed class SelfAttention : ModelPart
{
    private readonly int _index;
    private readonly int _heads;
    private readonly int _keyHeads;
    private readonly int _size;
    private readonly QueryKeyNorm _normKind;
    private readonly LinearLayer? _query;
    private readonly LinearLayer? _key;
    private readonly LinearLayer? _value;
    private readonly LinearLayer? _all;
    private readonly LinearLayer _output;
    private readonly RmsNorm? _queryNorm;
    private readonly RmsNorm? _keyNorm;
    // Of queries, so that libtorch's own 1/√size makes the model's scale of it; null: it is that already.
    private readonly Scalar? _queryScale;
    private readonly Scalar? _softCap;
    // With a cap the scores are ours to make: scale / cap.
    private readonly Scalar? _cappedScale;

    public SelfAttention(string name, int index, ModelConfig config, WeightSource weights)
    {
        var spec = config.Spec;
        (_index, _heads, _keyHeads, _size, _normKind) = (index, config.HeadCount, config.KeyValueHeadCount, config.HeadSize, spec.QueryKeyNorm);
        long queries = (long)_heads * _size, keys = (long)_keyHeads * _size;
        LinearLayer Project(string part, long inFeatures, long outFeatures, Biases bias) =>
            Own(new LinearLayer($"{name}.{part}", inFeatures, outFeatures, spec.Biases.HasFlag(bias), weights));
        if (spec.IsQueryKeyValueFused)
        {
            _all = Project("qkv_proj", config.HiddenSize, queries + 2 * keys, Biases.Query | Biases.Key | Biases.Value);
        }
        else
        {
            _query = Project("q_proj", config.HiddenSize, queries, Biases.Query);
            _key = Project("k_proj", config.HiddenSize, keys, Biases.Key);
            _value = Project("v_proj", config.HiddenSize, keys, Biases.Value);
        }
        _output = Project("o_proj", queries, config.HiddenSize, Biases.Output);
        if (spec.QueryKeyNorm != QueryKeyNorm.None)
        {
            var isWhole = spec.QueryKeyNorm == QueryKeyNorm.Whole;
            _queryNorm = Own(new RmsNorm($"{name}.q_norm", isWhole ? queries : _size, config.RmsNormEpsilon, spec.Norm, weights));
            _keyNorm = Own(new RmsNorm($"{name}.k_norm", isWhole ? keys : _size, config.RmsNormEpsilon, spec.Norm, weights));
        }
        var usual = 1 / Math.Sqrt(_size);
        var scale = spec.AttentionScale ?? usual;
        if (spec.AttentionSoftCap is { } cap)
        {
            _softCap = cap;
            _cappedScale = scale / cap;
        }
        else if (Math.Abs(scale - usual) > 1e-12)
        {
            _queryScale = scale / usual;
        }
    }

    public Tensor Forward(Tensor hidden, in LayerContext context)
    {
        long rows = hidden.shape[0], length = hidden.shape[1];
        var (query, key, value) = Project(hidden);
        if (_normKind == QueryKeyNorm.Whole) (query, key) = (_queryNorm!.forward(query), _keyNorm!.forward(key));
        (query, key, value) = (Heads(query), Heads(key), Heads(value).transpose(1, 2));
        if (_normKind == QueryKeyNorm.PerHead) (query, key) = (_queryNorm!.forward(query), _keyNorm!.forward(key));
        if (context.Cos is { } cos)
        {
            query = RotaryEmbedding.Rotate(query, cos, context.Sin!);
            key = RotaryEmbedding.Rotate(key, cos, context.Sin!);
        }
        if (_queryScale is not null) query = query.mul(_queryScale);
        key = key.transpose(1, 2);
        if (context.Cache is not null) (key, value) = context.Cache.Append(_index, key, value);

        var mixed = length == 1 ? AttendOne(query, key, value, context) : AttendAll(query, key, value, context);
        return _output.forward(mixed.reshape(rows, length, -1));

        Tensor Heads(Tensor x) => x.reshape(rows, length, -1, _size);
    }

    private (Tensor Query, Tensor Key, Tensor Value) Project(Tensor hidden)
    {
        if (_all is null) return (_query!.forward(hidden), _key!.forward(hidden), _value!.forward(hidden));
        long queries = (long)_heads * _size, keys = (long)_keyHeads * _size;
        var all = _all.forward(hidden);
        return (all.narrow(-1, 0, queries), all.narrow(-1, queries, keys), all.narrow(-1, queries + keys, keys));
    }

    // Query heads h·g … h·g + g − 1 read key-value head h. With one token a row they stand in for g tokens of that
    // head, so the cache is read where it lies, unexpanded.
    private Tensor AttendOne(Tensor query, Tensor key, Tensor value, in LayerContext context) =>
        Attend(query.reshape(-1, _keyHeads, _heads / _keyHeads, _size), key, value, context.Mask, isCausal: false);

    private Tensor AttendAll(Tensor query, Tensor key, Tensor value, in LayerContext context) =>
        Attend(query.transpose(1, 2), ExpandHeads(key), ExpandHeads(value), context.Mask, context.IsCausal).transpose(1, 2);

    private Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask, bool isCausal)
    {
        if (_softCap is null) return nn.functional.scaled_dot_product_attention(query, key, value, mask, 0, isCausal);
        // libtorch's kernels know no cap.
        var scores = query.matmul(key.transpose(-2, -1)).mul_(_cappedScale!).tanh().mul(_softCap);
        if (mask is not null) scores.add_(mask, Scalars.One);
        var isHalf = scores.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        return scores.softmax(-1, isHalf ? ScalarType.Float32 : scores.dtype).to(value.dtype).matmul(value);
    }

    private Tensor ExpandHeads(Tensor x)
    {
        var group = _heads / _keyHeads;
        if (group == 1) return x;
        long[] s = x.shape;
        return x.unsqueeze(2).expand(s[0], s[1], group, s[2], s[3]).reshape(s[0], s[1] * group, s[2], s[3]);
    }

    /// <summary>Counts what <see cref="Forward"/> makes, operation by operation.</summary>
    public void Count(PassCount count)
    {
        long queries = (long)_heads * _size, keys = (long)_keyHeads * _size;
        // Scores that are capped are made in full, and tanh and softmax keep what they give.
        var scores = _softCap is null ? 0 : _heads * count.Length;
        var hasNorms = _normKind != QueryKeyNorm.None;
        bool Has(LinearLayer? own) => count.IsAdapted(own) || count.IsAdapted(_all);
        count.Adapters(isKept: false, isWide: false, _query, _key, _value, _all);
        // Query, widened key and value, mixed values, and inputs of norms.
        if (count.IsReached) count.Keep((hasNorms ? queries + keys : 0) + 4 * queries + _heads + 2 * scores);
        // Projections, their sums with the update, two products of the rotation and its result; the branch's product.
        count.Pass(queries * (Has(_query) ? 4 : 3) + keys * (Has(_key) ? 5 : 4) + keys * (Has(_value) ? 2 : 1) + (count.IsAdapted(_output) ? _output.OutFeatures : 0)
            + (hasNorms ? 3 * (queries + keys) : 0) + 3 * scores);
        count.Adapters(isKept: true, isWide: false, _output);
    }

    private protected override void Free()
    {
        _queryScale?.Dispose();
        _softCap?.Dispose();
        _cappedScale?.Dispose();
    }
}
