using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.Torch.Models;

/// <summary>Reads <c>config.json</c>. What the decoder does not compute is refused by name, never read past.</summary>
internal static class ModelConfigReader
{
    public const string FileName = "config.json";
    private const string GenerationFileName = "generation_config.json";
    // Far beyond any model. What is within is measured against the weights before anything is allocated by it.
    private const int MaxLayers = 10_000;
    private const int MaxHeadSize = 4096;
    private static readonly string[] ProblemTypes = ["multi_label_classification", "single_label_classification", "regression"];

    public static ModelConfig Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException(File.Exists(folder) ? $"'{folder}' is a file; a model folder is wanted." : $"There is no model folder '{folder}'.{HubName.Advice(folder)}");
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new InvalidDataException($"Model folder '{folder}' has no {FileName}.");
        using var document = JsonInput.Open(path);
        var json = new ConfigObject(document.RootElement, path);
        var config = Read(json, path);

        var generationPath = Path.Combine(folder, GenerationFileName);
        if (!File.Exists(generationPath)) return config with { EosTokenIds = EndTokens(json, config.VocabularySize) };
        using var generation = JsonInput.Open(generationPath);
        var generating = new ConfigObject(generation.RootElement, generationPath);
        return config with { EosTokenIds = EndTokens(generating.Tokens("eos_token_id").Count > 0 ? generating : json, config.VocabularySize) };
    }

    private static ModelConfig Read(ConfigObject json, string path)
    {
        var modelType = json.Text("model_type") ?? throw new InvalidDataException($"'{path}' has no model_type; llama or mistral is wanted.");
        var maxPositions = json.Size("max_position_embeddings") ?? 2048;
        RefuseUnknownArchitecture(json, modelType, maxPositions);
        var (hidden, heads) = (json.RequiredSize("hidden_size"), json.RequiredSize("num_attention_heads"));
        var keyValueHeads = json.Size("num_key_value_heads") ?? heads;
        if (heads % keyValueHeads != 0) throw json.Wrong("num_key_value_heads", $"{keyValueHeads}", $"a divisor of num_attention_heads, {heads}, is wanted");
        if (json.Size("head_dim") is not { } headSize)
            headSize = hidden % heads == 0 ? hidden / heads : throw json.Wrong("num_attention_heads", $"{heads}", $"without head_dim a divisor of hidden_size, {hidden}, is wanted");
        if (headSize > MaxHeadSize || (long)heads * headSize > int.MaxValue) throw json.Wrong("head_dim", $"{headSize}", $"at most {MaxHeadSize} is wanted, and at most {int.MaxValue} for all {heads} heads together");
        if (headSize % 2 != 0) throw json.Wrong("head_dim", $"{headSize}", "rotary embedding calls for an even number");
        var (vocabulary, layers) = (json.RequiredSize("vocab_size"), json.RequiredSize("num_hidden_layers"));
        if (layers > MaxLayers) throw json.Wrong("num_hidden_layers", $"{layers}", $"at most {MaxLayers} is wanted");
        var (theta, scaling) = Rope(json, maxPositions);
        var architecture = Architecture(json);

        return new ModelConfig
        {
            ModelType = modelType,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = json.RequiredSize("intermediate_size"),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = maxPositions,
            RmsNormEpsilon = json.Positive("rms_norm_eps") ?? 1e-6,
            RopeTheta = theta,
            RopeScaling = scaling,
            TieWordEmbeddings = json.Flag("tie_word_embeddings"),
            AttentionBias = json.Flag("attention_bias"),
            MlpBias = json.Flag("mlp_bias"),
            BosTokenId = json.Token("bos_token_id") is { } bos && bos < vocabulary ? bos : null,
            PadTokenId = json.Token("pad_token_id") is { } pad && pad < vocabulary ? pad : null,
            Labels = Labels(json, path, architecture),
            ProblemType = json.Text("problem_type") is not { } problem ? null
                : ProblemTypes.Contains(problem) ? problem
                : throw json.Wrong("problem_type", $"'{SafetensorsHeader.Shown(problem)}'", $"{string.Join(", ", ProblemTypes)} or null is wanted"),
            Architecture = architecture,
        };
    }

    private static void RefuseUnknownArchitecture(ConfigObject json, string modelType, int maxPositions)
    {
        if (modelType is not ("llama" or "mistral"))
            throw json.Wrong("model_type", $"'{SafetensorsHeader.Shown(modelType)}'", "only Llama-architecture models are computed (llama; mistral without a sliding window)");
        if (json.Field("quantization_config") is not null)
            throw json.Wrong("quantization_config", "set", "quantized weights are not read; use the checkpoint in bfloat16, float16 or float32");
        if (json.Text("hidden_act") is { } activation and not ("silu" or "swish"))
            throw json.Wrong("hidden_act", $"'{SafetensorsHeader.Shown(activation)}'", "only silu is computed");
        // A window as long as the model's longest sequence is none.
        if (json.Size("sliding_window") is { } window && window < maxPositions)
            throw json.Wrong("sliding_window", $"{window}", "attention within a sliding window is not computed; null is wanted");
        if (json.Positive("partial_rotary_factor") is { } part and not 1)
            throw json.Wrong("partial_rotary_factor", $"{part}", "only rotation of whole heads, 1, is computed");
    }

    // rope_scaling and rope_theta of transformers 4, rope_parameters of 5.
    private static (double Theta, RopeScaling? Scaling) Rope(ConfigObject json, int maxPositions)
    {
        var parameters = json.Object("rope_parameters");
        var theta = json.Positive("rope_theta") ?? parameters?.Positive("rope_theta") ?? 10_000;
        if (json.Object("rope_scaling") is { } scaling)
            return (theta, Scaling(scaling, scaling.Text("rope_type") ?? scaling.Text("type") ?? throw scaling.Wrong("rope_type", "missing", "linear or llama3 is wanted"), maxPositions));
        return (theta, parameters is { } rope ? Scaling(rope, rope.Text("rope_type") ?? "default", maxPositions) : null);
    }

    private static RopeScaling? Scaling(ConfigObject rope, string type, int maxPositions)
    {
        switch (type)
        {
            case "default":
                return null;
            case "linear":
                return new RopeScaling("linear", Factor(rope));
            case "llama3":
                var (low, high) = (rope.RequiredPositive("low_freq_factor"), rope.RequiredPositive("high_freq_factor"));
                return low < high
                    ? new RopeScaling("llama3", Factor(rope), low, high, rope.Size("original_max_position_embeddings") ?? maxPositions)
                    : throw rope.Wrong("high_freq_factor", $"{high}", $"more than low_freq_factor, {low}, is wanted");
            default:
                throw rope.Wrong("rope_type", $"'{SafetensorsHeader.Shown(type)}'", "only default, linear and llama3 are computed");
        }
    }

    private static double Factor(ConfigObject rope)
    {
        var factor = rope.RequiredPositive("factor");
        return factor >= 1 ? factor : throw rope.Wrong("factor", $"{factor}", "a number from 1 is wanted");
    }

    private static string? Architecture(ConfigObject json)
    {
        if (json.Field("architectures") is not { } list) return null;
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw json.Wrong("architectures", "no list of texts", "for instance [\"LlamaForCausalLM\"] is wanted");
        return list.GetArrayLength() == 0 ? null : list[0].GetString();
    }

    // A token without an embedding is never generated, so it ends nothing; but something must.
    private static List<int> EndTokens(ConfigObject json, int vocabulary)
    {
        var named = json.Tokens("eos_token_id");
        var known = named.Where(id => id < vocabulary).ToList();
        return named.Count == 0 || known.Count > 0 ? known
            : throw json.Wrong("eos_token_id", string.Join(", ", named), $"the vocabulary has the tokens 0 to {vocabulary - 1}, so no answer would end");
    }

    private static IReadOnlyList<string> Labels(ConfigObject json, string path, string? architecture)
    {
        if (json.Object("id2label") is not { } map)
        {
            // What Hugging Face leaves out is its default of two classes.
            var count = json.Size("num_labels") ?? (architecture?.EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true ? 2 : 0);
            return count <= 100_000 ? [.. Enumerable.Range(0, count).Select(i => $"LABEL_{i}")] : throw json.Wrong("num_labels", $"{count}", "at most 100000 is wanted");
        }
        var labels = new SortedDictionary<int, string>();
        foreach (var property in map.Properties())
        {
            if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) || property.Value.ValueKind != JsonValueKind.String)
                throw json.Wrong("id2label", $"'{SafetensorsHeader.Shown(property.Name)}': {property.Value.ValueKind}", "numbers with texts are wanted");
            if (!labels.TryAdd(index, property.Value.GetString()!)) throw json.Wrong("id2label", $"{index} twice", "one text for each number is wanted");
        }
        if (!labels.Keys.SequenceEqual(Enumerable.Range(0, labels.Count)))
            throw json.Wrong("id2label", $"numbered {string.Join(", ", labels.Keys.Take(20))}", $"0 to {labels.Count - 1} without a gap is wanted");
        return [.. labels.Values];
    }
}
