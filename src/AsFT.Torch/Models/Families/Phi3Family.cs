using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Phi-3, Phi-3.5-mini, Phi-4 and Phi-4-mini: fused projections, rotary positions on a share of each head, longrope.</summary>
internal sealed class Phi3Family : ModelFamily
{
    public override string ModelType => "phi3";

    public override string ClassName => "Phi3";

    public override string Models => "Phi-3, Phi-3.5-mini, Phi-4, Phi-4-mini";

    public override FamilyDefaults Defaults { get; } = new() { MaxPositions = 4096, RmsNormEpsilon = 1e-5 };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => new()
    {
        Gate = Silu(json),
        IsQueryKeyValueFused = true,
        IsGateUpFused = true,
        Window = Window(json, missing: null),
        Rotary = RopeFields.Read(json, sizes, isShareAllowed: true, originalMaxPositions: 4096),
    };
}
