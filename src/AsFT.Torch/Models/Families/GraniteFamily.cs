using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Granite 3, dense: Llama with factors on embeddings, scores, residual sums and logits.</summary>
internal sealed class GraniteFamily : ModelFamily
{
    public override string ModelType => "granite";

    public override string ClassName => "Granite";

    public override string Models => "Granite 3, dense";

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => new()
    {
        Gate = Silu(json),
        Biases = ReadBiases(json),
        EmbeddingScale = json.Positive("embedding_multiplier") ?? 1,
        ResidualScale = json.Positive("residual_multiplier") ?? 1,
        AttentionScale = json.Positive("attention_multiplier") ?? 1,
        LogitDivisor = json.Positive("logits_scaling") ?? 1,
        Rotary = RopeFields.Read(json, sizes),
    };
}
