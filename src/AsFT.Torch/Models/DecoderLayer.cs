using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>One transformer layer: attention, then a gated MLP, each added to the residual stream.</summary>
internal sealed class DecoderLayer : ModelPart
{
    private readonly SelfAttention _attention;
    private readonly GatedMlp _mlp;
    private readonly RmsNorm? _beforeAttention;
    private readonly RmsNorm? _behindAttention;
    private readonly RmsNorm? _beforeMlp;
    private readonly RmsNorm? _behindMlp;
    private readonly Scalar? _residualScale;

    public DecoderLayer(string name, int index, ModelConfig config, WeightSource weights)
    {
        var spec = config.Spec;
        RmsNorm Norm(string part) => new($"{name}.{part}", config.HiddenSize, config.RmsNormEpsilon, spec.Norm, weights);
        if (spec.NormPlacement != NormPlacement.After) _beforeAttention = Own(Norm("input_layernorm"));
        _attention = Own(new SelfAttention($"{name}.self_attn", index, config, weights));
        // The one name that means two things: before the MLP where that is its only norm, behind attention elsewhere.
        var between = Own(Norm("post_attention_layernorm"));
        if (spec.NormPlacement == NormPlacement.Before) _beforeMlp = between;
        else _behindAttention = between;
        if (spec.NormPlacement == NormPlacement.BeforeAndAfter) _beforeMlp = Own(Norm("pre_feedforward_layernorm"));
        _mlp = Own(new GatedMlp($"{name}.mlp", config, weights));
        if (spec.NormPlacement != NormPlacement.Before) _behindMlp = Own(Norm("post_feedforward_layernorm"));
        if (spec.ResidualScale != 1) _residualScale = spec.ResidualScale;
    }

    public Tensor Forward(Tensor hidden, in LayerContext context)
    {
        using var scope = NewDisposeScope();
        var attended = Add(hidden, Through(_behindAttention, _attention.Forward(Through(_beforeAttention, hidden), context)));
        return Add(attended, Through(_behindMlp, _mlp.forward(Through(_beforeMlp, attended)))).MoveToOuterDisposeScope();
    }

    /// <summary>Counts what <see cref="Forward"/> makes, operation by operation.</summary>
    public void Count(PassCount count)
    {
        var hidden = _mlp.Width;
        // Norms keep their input where a gradient goes through them.
        if (count.IsReached && _beforeAttention is not null) count.Keep(hidden);
        _attention.Count(count);
        if (count.IsReached) count.Keep((_behindAttention is null ? 0 : hidden) + (_beforeMlp is null ? 0 : hidden));
        _mlp.Count(count);
        if (_behindMlp is not null) count.Keep(hidden);
        // Square, scaled and weighted input of each norm; the layer's output.
        count.Pass(hidden + 3 * hidden * new[] { _beforeAttention, _behindAttention, _beforeMlp, _behindMlp }.Count(norm => norm is not null));
    }

    private static Tensor Through(RmsNorm? norm, Tensor x) => norm is null ? x : norm.forward(x);

    // The sum goes into the branch's output, which no backward formula needs.
    private Tensor Add(Tensor residual, Tensor branch) =>
        (_residualScale is null ? branch : branch.mul_(_residualScale)).add_(residual, Scalars.One);

    private protected override void Free() => _residualScale?.Dispose();
}

/// <summary>W_down·(g(W_gate·x) ∘ W_up·x), g the activation (Shazeer, arXiv 2002.05202).</summary>
internal sealed class GatedMlp : ModelPart
{
    private readonly LinearLayer? _gate;
    private readonly LinearLayer? _up;
    private readonly LinearLayer? _both;
    private readonly LinearLayer _down;
    private readonly int _inner;
    private readonly GateActivation _activation;

    public GatedMlp(string name, ModelConfig config, WeightSource weights)
    {
        var spec = config.Spec;
        (_inner, _activation) = (config.IntermediateSize, spec.Gate);
        LinearLayer Project(string part, long inFeatures, long outFeatures, Biases bias) =>
            Own(new LinearLayer($"{name}.{part}", inFeatures, outFeatures, spec.Biases.HasFlag(bias), weights));
        if (spec.IsGateUpFused)
        {
            _both = Project("gate_up_proj", config.HiddenSize, 2L * _inner, Biases.Gate | Biases.Up);
        }
        else
        {
            _gate = Project("gate_proj", config.HiddenSize, _inner, Biases.Gate);
            _up = Project("up_proj", config.HiddenSize, _inner, Biases.Up);
        }
        _down = Project("down_proj", _inner, config.HiddenSize, Biases.Down);
    }

    public Tensor forward(Tensor input)
    {
        if (_both is null) return _down.forward(Activate(_gate!.forward(input)) * _up!.forward(input));
        var both = _both.forward(input);
        return _down.forward(Activate(both.narrow(-1, 0, _inner)) * both.narrow(-1, _inner, _inner));
    }

    /// <summary>Width of its input and output.</summary>
    public long Width => _down.OutFeatures;

    /// <summary>Counts what <see cref="forward"/> makes, operation by operation.</summary>
    public void Count(PassCount count)
    {
        count.Adapters(isKept: false, isWide: false, _gate, _up, _both);
        // Gate, its activation, up.
        count.Keep(0, 3 * _inner);
        count.Pass(count.IsAdapted(_down) ? Width : 0, _inner * (1 + (count.IsAdapted(_gate) ? 1 : 0) + (count.IsAdapted(_up) ? 1 : 0) + (count.IsAdapted(_both) ? 2 : 0)));
        count.Adapters(isKept: false, isWide: true, _down);
    }

    private Tensor Activate(Tensor gate) => _activation == GateActivation.Silu ? nn.functional.silu(gate) : gate.gelu(TorchSharp.Modules.GELU.Approximate.tanh);
}
