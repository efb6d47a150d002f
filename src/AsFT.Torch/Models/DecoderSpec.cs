using System.Text.Json;
using System.Text.Json.Nodes;

namespace AsFT.Torch.Models;

/// <summary>
/// What a decoder computes, besides its sizes: all that tells one family of models from another. As it stands it is Llama's; a family
/// (<c>Models/Families</c>) reads its <c>config.json</c> into one, and nothing else asks which family a model is of.
/// </summary>
internal sealed record DecoderSpec
{
    /// <summary>How the norms weigh.</summary>
    public NormKind Norm { get; init; }

    /// <summary>Where the norms of a layer stand.</summary>
    public NormPlacement NormPlacement { get; init; }

    /// <summary>Norms of queries and keys, before they are rotated.</summary>
    public QueryKeyNorm QueryKeyNorm { get; init; }

    /// <summary>What the gate of the MLP goes through.</summary>
    public GateActivation Gate { get; init; }

    /// <summary>Linear layers that have a bias.</summary>
    public Biases Biases { get; init; }

    /// <summary>Whether queries, keys and values are one layer, <c>qkv_proj</c>, in that order.</summary>
    public bool IsQueryKeyValueFused { get; init; }

    /// <summary>Whether gate and up are one layer, <c>gate_up_proj</c>, in that order.</summary>
    public bool IsGateUpFused { get; init; }

    /// <summary>Rotary positions of the layers.</summary>
    public RotarySpec Rotary { get; init; } = new();

    /// <summary>Rotary positions of the layers with a window, where they have others; null: the same.</summary>
    public RotarySpec? WindowRotary { get; init; }

    /// <summary>Layers, from 0, whose queries and keys are not rotated.</summary>
    public IReadOnlyList<int> LayersWithoutRotary { get; init; } = [];

    /// <summary>Tokens, its own included, that a token sees in the layers with a window; null: all before it, in every layer.</summary>
    public int? Window { get; init; }

    /// <summary>Layers, from 0, that see all tokens in spite of <see cref="Window"/>.</summary>
    public IReadOnlyList<int> LayersWithoutWindow { get; init; } = [];

    /// <summary>Scores of attention s become c·tanh(s/c); null: they stay.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>Logits z become c·tanh(z/c); null: they stay.</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>Factor on the products of queries and keys; null: 1/√head size.</summary>
    public double? AttentionScale { get; init; }

    /// <summary>Factor on the embeddings, rounded to the weights' format.</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Factor on what attention and MLP add to the residual stream.</summary>
    public double ResidualScale { get; init; } = 1;

    /// <summary>What the logits are divided by, before a soft cap.</summary>
    public double LogitDivisor { get; init; } = 1;

    /// <summary>Name of the decoder in the checkpoint: its weights are <c>NAME.layers.0…</c>.</summary>
    public string DecoderName { get; init; } = "model";

    /// <summary>Name of the head in the checkpoint, where it has weights of its own.</summary>
    public string HeadName { get; init; } = "lm_head";

    /// <summary>The window of a layer, or null.</summary>
    /// <param name="layer">From 0.</param>
    public int? WindowOf(int layer) => LayersWithoutWindow.Contains(layer) ? null : Window;

    /// <summary>The rotary positions of a layer, or null where it has none.</summary>
    /// <param name="layer">From 0.</param>
    public RotarySpec? RotaryOf(int layer) => LayersWithoutRotary.Contains(layer) ? null : WindowOf(layer) is null ? Rotary : WindowRotary ?? Rotary;

    /// <summary>The first property in which two specifications differ, with both values; null where they are the same.</summary>
    internal (string Name, string Left, string Right)? DifferenceFrom(DecoderSpec other)
    {
        var (left, right) = (JsonSerializer.SerializeToNode(this)!.AsObject(), JsonSerializer.SerializeToNode(other)!.AsObject());
        foreach (var (name, value) in left)
            if (!JsonNode.DeepEquals(value, right[name])) return (name, Shown(value), Shown(right[name]));
        return null;

        static string Shown(JsonNode? value) => value?.ToJsonString() ?? "null";
    }
}

/// <summary>How a norm weighs x / √(mean(x²) + ε).</summary>
internal enum NormKind
{
    /// <summary>w·x̂, x̂ rounded to the model's format first (Llama).</summary>
    Weight,

    /// <summary>w·x̂, rounded once (OLMo 2).</summary>
    WeightRoundedOnce,

    /// <summary>(1 + w)·x̂, rounded once (Gemma).</summary>
    OnePlusWeight,
}

/// <summary>Where the norms of a layer stand; the names of their weights follow from it, as transformers has them.</summary>
internal enum NormPlacement
{
    /// <summary>Before attention and MLP: <c>input_layernorm</c>, <c>post_attention_layernorm</c>.</summary>
    Before,

    /// <summary>Behind them, before the sum: <c>post_attention_layernorm</c>, <c>post_feedforward_layernorm</c>.</summary>
    After,

    /// <summary>Both: <c>input_layernorm</c>, <c>post_attention_layernorm</c>, <c>pre_feedforward_layernorm</c>, <c>post_feedforward_layernorm</c>.</summary>
    BeforeAndAfter,
}

/// <summary>Norms of queries and keys.</summary>
internal enum QueryKeyNorm
{
    /// <summary>None.</summary>
    None,

    /// <summary>Over each head (Qwen3, Gemma 3).</summary>
    PerHead,

    /// <summary>Over all heads together (OLMo 2).</summary>
    Whole,
}

/// <summary>What the gate of an MLP goes through.</summary>
internal enum GateActivation
{
    /// <summary>x·sigmoid(x).</summary>
    Silu,

    /// <summary>GELU with tanh in place of the error function.</summary>
    GeluTanh,
}

/// <summary>Linear layers of a decoder layer that have a bias.</summary>
[Flags]
internal enum Biases
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>q_proj.</summary>
    Query = 1,

    /// <summary>k_proj.</summary>
    Key = 2,

    /// <summary>v_proj.</summary>
    Value = 4,

    /// <summary>o_proj.</summary>
    Output = 8,

    /// <summary>gate_proj.</summary>
    Gate = 16,

    /// <summary>up_proj.</summary>
    Up = 32,

    /// <summary>down_proj.</summary>
    Down = 64,

    /// <summary>All of attention.</summary>
    Attention = Query | Key | Value | Output,

    /// <summary>All of the MLP.</summary>
    Mlp = Gate | Up | Down,
}
