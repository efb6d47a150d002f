using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>
/// Models that share a <c>model_type</c>: reads what <c>config.json</c> says about the forward pass, with the defaults of the family's class in
/// Hugging Face transformers, and refuses by name what the decoder does not compute.
/// </summary>
internal abstract class ModelFamily
{
    private static readonly ModelFamily[] All =
    [
        new LlamaFamily(), new MistralFamily(), new Qwen2Family(), new Qwen3Family(), new GemmaFamily(), new Gemma2Family(), new Gemma3Family(),
        new Gemma3MultimodalFamily(), new Phi3Family(), new SmolLm3Family(), new Olmo2Family(), new GraniteFamily(),
    ];

    /// <summary>Names that <c>model_type</c> may have, in the order of this list.</summary>
    public static IEnumerable<string> ModelTypes => All.Select(family => family.ModelType);

    /// <summary>The family of a <c>model_type</c>, or null.</summary>
    public static ModelFamily? Find(string modelType) => Array.Find(All, family => family.ModelType == modelType);

    /// <summary><c>model_type</c>.</summary>
    public abstract string ModelType { get; }

    /// <summary>What the classes of transformers begin with, as <c>Llama</c> in <c>LlamaForCausalLM</c>.</summary>
    public abstract string ClassName { get; }

    /// <summary>The models people know, for people.</summary>
    public abstract string Models { get; }

    /// <summary>The object that holds the text model's fields, where it is not the file's root.</summary>
    public virtual string? TextPart => null;

    /// <summary>Sizes where the file leaves them out.</summary>
    public virtual FamilyDefaults Defaults { get; } = new();

    /// <summary>Reads the fields.</summary>
    /// <param name="json">The text model's part of the file.</param>
    /// <param name="sizes">Sizes read before, <see cref="ModelConfig.Spec"/> aside.</param>
    /// <exception cref="InvalidDataException">A field asks for what the decoder does not compute.</exception>
    public abstract DecoderSpec Read(ConfigObject json, ModelConfig sizes);

    /// <summary>Refuses every activation but SiLU.</summary>
    protected static GateActivation Silu(ConfigObject json) => (json.Text("hidden_act") ?? "silu") is var name && (name is "silu" or "swish") ? GateActivation.Silu
        : throw json.Wrong("hidden_act", $"'{SafetensorsHeader.Shown(name)}'", "only silu is computed for this model_type");

    /// <summary>The biases of attention and MLP, where a field switches each on as a whole.</summary>
    protected static Biases ReadBiases(ConfigObject json) =>
        (json.Flag("attention_bias") ? Biases.Attention : Biases.None) | (json.Flag("mlp_bias") ? Biases.Mlp : Biases.None);

    /// <summary>The window, or the family's where the field is missing; <c>null</c> means none.</summary>
    protected static int? Window(ConfigObject json, int? missing) => json.Has("sliding_window") ? json.Size("sliding_window") : missing;

    /// <summary>Layers that see all tokens: by <c>layer_types</c>, or by the family's rule where the field is missing.</summary>
    protected static IReadOnlyList<int> FullLayers(ConfigObject json, int layers, Func<int, bool> isFull)
    {
        if (json.Texts("layer_types") is not { } types) return [.. Enumerable.Range(0, layers).Where(isFull)];
        if (types.Count != layers) throw json.Wrong("layer_types", $"a list of {types.Count}", $"one for each of the {layers} layers is wanted");
        foreach (var type in types)
            if (type is not ("full_attention" or "sliding_attention"))
                throw json.Wrong("layer_types", $"'{SafetensorsHeader.Shown(type)}'", "only full_attention and sliding_attention are computed");
        return [.. Enumerable.Range(0, layers).Where(i => types[i] == "full_attention")];
    }

    /// <summary>Refuses attention that looks ahead, as embedding models have it.</summary>
    protected static void RefuseBidirectional(ConfigObject json)
    {
        if (json.Flag("use_bidirectional_attention"))
            throw json.Wrong("use_bidirectional_attention", "true", "only causal attention is computed");
    }
}

/// <summary>What a family's <c>config.json</c> may leave out. Sizes that are null here must be there.</summary>
internal sealed record FamilyDefaults
{
    public int? VocabularySize { get; init; }

    public int? HiddenSize { get; init; }

    public int? IntermediateSize { get; init; }

    public int? LayerCount { get; init; }

    public int? HeadCount { get; init; }

    /// <summary>Null: as many as query heads.</summary>
    public int? KeyValueHeadCount { get; init; }

    /// <summary>Null: hidden size / heads.</summary>
    public int? HeadSize { get; init; }

    public int MaxPositions { get; init; } = 2048;

    public double RmsNormEpsilon { get; init; } = 1e-6;

    public bool TieWordEmbeddings { get; init; }
}
