using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Gemma 1: norms of 1 + w, embeddings times √hidden, a gate of tanh-GELU, a tied head.</summary>
internal sealed class GemmaFamily : ModelFamily
{
    public override string ModelType => "gemma";

    public override string ClassName => "Gemma";

    public override string Models => "Gemma 1";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 16, HeadSize = 256, MaxPositions = 8192, TieWordEmbeddings = true };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => Gemma(json, sizes) with { Rotary = RopeFields.Read(json, sizes) };

    /// <summary>What all Gemmas share.</summary>
    public static DecoderSpec Gemma(ConfigObject json, ModelConfig sizes)
    {
        // Files of the first days have gelu, and that in hidden_act alone; the weights were trained with tanh.
        var activation = json.Text("hidden_activation") ?? (json.Text("hidden_act") is "gelu" ? null : json.Text("hidden_act"));
        if (activation is not (null or "gelu_pytorch_tanh"))
            throw json.Wrong("hidden_activation", $"'{SafetensorsHeader.Shown(activation)}'", "only gelu_pytorch_tanh is computed for this model_type");
        RefuseBidirectional(json);
        return new()
        {
            Norm = NormKind.OnePlusWeight,
            Gate = GateActivation.GeluTanh,
            Biases = json.Flag("attention_bias") ? Biases.Attention : Biases.None,
            EmbeddingScale = Math.Sqrt(sizes.HiddenSize),
        };
    }

    /// <summary>What Gemma 2 and 3 share beyond that: norms before and behind, soft caps, a query scale, a window.</summary>
    public static DecoderSpec LaterGemma(ConfigObject json, ModelConfig sizes, double? attentionCap, double? logitCap) => Gemma(json, sizes) with
    {
        NormPlacement = NormPlacement.BeforeAndAfter,
        AttentionScale = 1 / Math.Sqrt(json.Positive("query_pre_attn_scalar") ?? 256),
        AttentionSoftCap = json.Has("attn_logit_softcapping") ? json.Positive("attn_logit_softcapping") : attentionCap,
        LogitSoftCap = json.Has("final_logit_softcapping") ? json.Positive("final_logit_softcapping") : logitCap,
        Window = Window(json, missing: 4096),
    };
}

/// <summary>Gemma 2: a window in every other layer, soft caps on scores and logits.</summary>
internal sealed class Gemma2Family : ModelFamily
{
    public override string ModelType => "gemma2";

    public override string ClassName => "Gemma2";

    public override string Models => "Gemma 2";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 4, HeadSize = 256, MaxPositions = 8192, TieWordEmbeddings = true };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => GemmaFamily.LaterGemma(json, sizes, attentionCap: 50, logitCap: 30) with
    {
        LayersWithoutWindow = FullLayers(json, sizes.LayerCount, i => i % 2 == 1),
        Rotary = RopeFields.Read(json, sizes),
    };
}

/// <summary>Gemma 3, text: norms on queries and keys, five layers with a window for one without, two bases of rotary positions.</summary>
internal class Gemma3Family : ModelFamily
{
    public override string ModelType => "gemma3_text";

    public override string ClassName => "Gemma3";

    public override string Models => "Gemma 3 1B; text models saved alone";

    // The Hub's files leave out most of what the 4B model has by default.
    public override FamilyDefaults Defaults { get; } = new()
    {
        VocabularySize = 262_208,
        HiddenSize = 2304,
        IntermediateSize = 9216,
        LayerCount = 26,
        HeadCount = 8,
        KeyValueHeadCount = 4,
        HeadSize = 256,
        MaxPositions = 131_072,
        TieWordEmbeddings = true,
    };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes)
    {
        var pattern = json.Size("sliding_window_pattern") ?? json.Size("_sliding_window_pattern") ?? 6;
        var (full, local) = RopeFields.ReadTwo(json, sizes, fullTheta: 1_000_000, localTheta: 10_000);
        return GemmaFamily.LaterGemma(json, sizes, attentionCap: null, logitCap: null) with
        {
            QueryKeyNorm = QueryKeyNorm.PerHead,
            LayersWithoutWindow = FullLayers(json, sizes.LayerCount, i => (i + 1) % pattern == 0),
            Rotary = full,
            WindowRotary = local,
        };
    }
}

/// <summary>The text model of a multimodal Gemma 3; the vision tower is left alone.</summary>
internal sealed class Gemma3MultimodalFamily : Gemma3Family
{
    public override string ModelType => "gemma3";

    public override string Models => "Gemma 3 4B, 12B, 27B: the text model, the vision tower left alone";

    public override string TextPart => "text_config";

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) =>
        base.Read(json, sizes) with { DecoderName = "language_model.model", HeadName = "language_model.lm_head" };
}
