using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Mistral 7B, Nemo, Small and Ministral 8B: Llama with a window, and a head size of its own.</summary>
internal sealed class MistralFamily : ModelFamily
{
    public override string ModelType => "mistral";

    public override string ClassName => "Mistral";

    public override string Models => "Mistral 7B, Nemo, Small; Ministral 8B";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 8, MaxPositions = 131_072 };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) =>
        new() { Gate = Silu(json), Window = Window(json, missing: 4096), Rotary = RopeFields.Read(json, sizes) };
}
