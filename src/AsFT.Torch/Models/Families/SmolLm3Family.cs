using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>SmolLM3: every fourth layer has no rotary positions.</summary>
internal sealed class SmolLm3Family : ModelFamily
{
    public override string ModelType => "smollm3";

    public override string ClassName => "SmolLM3";

    public override string Models => "SmolLM3";

    public override FamilyDefaults Defaults { get; } = new() { KeyValueHeadCount = 4, MaxPositions = 32_768, TieWordEmbeddings = true };

    public override DecoderSpec Read(ConfigObject json, ModelConfig sizes)
    {
        var without = WithoutRotary(json, sizes.LayerCount);
        var window = json.Flag("use_sliding_window") ? Window(json, missing: null) : null;
        return new()
        {
            Gate = Silu(json),
            Biases = ReadBiases(json),
            Window = window,
            LayersWithoutWindow = window is null ? [] : FullLayers(json, sizes.LayerCount, i => !without.Contains(i)),
            Rotary = RopeFields.Read(json, sizes, theta: 2_000_000),
            LayersWithoutRotary = without,
        };
    }

    // 1: with rotary positions, 0: without.
    private static IReadOnlyList<int> WithoutRotary(ConfigObject json, int layers)
    {
        var interval = json.Size("no_rope_layer_interval") ?? 4;
        var has = json.Numbers("no_rope_layers") ?? [.. Enumerable.Range(0, layers).Select(i => (i + 1) % interval == 0 ? 0d : 1)];
        if (has.Count != layers || has.Any(value => value is not (0 or 1)))
            throw json.Wrong("no_rope_layers", $"{has.Count} numbers", $"0 or 1 for each of the {layers} layers is wanted");
        return [.. Enumerable.Range(0, layers).Where(i => has[i] == 0)];
    }
}
