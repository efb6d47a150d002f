using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Llama 1, 2 and 3, and what is shaped like them: TinyLlama, SmolLM2, Yi, Vicuna.</summary>
internal sealed class LlamaFamily : ModelFamily
{
    public override string ModelType => "llama";

    public override string ClassName => "Llama";

    public override string Models => "Llama 1 to 3.3, TinyLlama, SmolLM2, Yi, Vicuna";

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes)
    {
        // The class of transformers has none; a file that names one was made for another.
        if (json.Size("sliding_window") is { } window && window < sizes.MaxPositions)
            throw json.Wrong("sliding_window", $"{window}", "a llama has no window; null is wanted");
        return new DecoderSpec { Gate = Silu(json), Biases = ReadBiases(json), Rotary = RopeFields.Read(json, sizes) };
    }
}
