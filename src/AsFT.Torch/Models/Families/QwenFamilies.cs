using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Qwen 1.5, 2, 2.5 and QwQ: biases on queries, keys and values; a window, where it is switched on, in the upper layers only.</summary>
internal sealed class Qwen2Family : ModelFamily
{
    public override string ModelType => "qwen2";

    public override string ClassName => "Qwen2";

    public override string Models => "Qwen 1.5, 2, 2.5, QwQ";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 32, MaxPositions = 32_768 };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) =>
        Qwen(json, sizes) with { Biases = Biases.Query | Biases.Key | Biases.Value };

    /// <summary>What Qwen 2 and 3 share.</summary>
    public static DecoderSpec Qwen(ConfigObject json, ModelConfig sizes)
    {
        var from = json.Whole("max_window_layers") ?? 28;
        var window = json.Flag("use_sliding_window") ? Window(json, missing: 4096) : null;
        return new()
        {
            Gate = Silu(json),
            Window = window,
            LayersWithoutWindow = window is null ? [] : FullLayers(json, sizes.LayerCount, i => i < from),
            Rotary = RopeFields.Read(json, sizes),
        };
    }
}

/// <summary>Qwen 3, dense: norms on queries and keys of each head.</summary>
internal sealed class Qwen3Family : ModelFamily
{
    public override string ModelType => "qwen3";

    public override string ClassName => "Qwen3";

    public override string Models => "Qwen 3, dense";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 32, HeadSize = 128, MaxPositions = 32_768 };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes) => Qwen2Family.Qwen(json, sizes) with
    {
        Biases = json.Flag("attention_bias") ? Biases.Attention : Biases.None,
        QueryKeyNorm = QueryKeyNorm.PerHead,
    };
}
