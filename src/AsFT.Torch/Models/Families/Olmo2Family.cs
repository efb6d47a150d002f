using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>OLMo 2: norms behind attention and MLP, and over whole queries and keys.</summary>
internal sealed class Olmo2Family : ModelFamily
{
    public override string ModelType => "olmo2";

    public override string ClassName => "Olmo2";

    public override string Models => "OLMo 2";

    public override FamilyDefaults Defaults { get; } = new() { RmsNormEpsilon = 1e-5 };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => new()
    {
        Gate = Silu(json),
        Biases = json.Flag("attention_bias") ? Biases.Attention : Biases.None,
        Norm = NormKind.WeightRoundedOnce,
        NormPlacement = NormPlacement.After,
        QueryKeyNorm = QueryKeyNorm.Whole,
        Rotary = RopeFields.Read(json, sizes),
    };
}
