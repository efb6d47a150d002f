using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Runtime;

namespace AsFT.Torch.Models;

/// <summary>Writes <c>config.json</c> with the names and defaults of Hugging Face transformers.</summary>
internal static class ModelConfigWriter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Save(ModelConfig config, string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var text = ToJson(config).ToJsonString(Indented);
        AtomicOutput.WriteFile(Path.Combine(folder, ModelConfigReader.FileName), partial => File.WriteAllText(partial, text));
    }

    private static JsonObject ToJson(ModelConfig config)
    {
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray(config.Architecture ?? (config.ModelType == "mistral" ? "MistralForCausalLM" : "LlamaForCausalLM")),
            ["model_type"] = config.ModelType,
            ["vocab_size"] = config.VocabularySize,
            ["hidden_size"] = config.HiddenSize,
            ["intermediate_size"] = config.IntermediateSize,
            ["num_hidden_layers"] = config.LayerCount,
            ["num_attention_heads"] = config.HeadCount,
            ["num_key_value_heads"] = config.KeyValueHeadCount,
            ["head_dim"] = config.HeadSize,
            ["max_position_embeddings"] = config.MaxPositions,
            ["rms_norm_eps"] = config.RmsNormEpsilon,
            ["rope_theta"] = config.RopeTheta,
            ["rope_scaling"] = Rope(config.RopeScaling),
            ["hidden_act"] = "silu",
            ["tie_word_embeddings"] = config.TieWordEmbeddings,
            ["attention_bias"] = config.AttentionBias,
            ["mlp_bias"] = config.MlpBias,
            ["bos_token_id"] = config.BosTokenId,
            ["eos_token_id"] = config.EosTokenIds switch
            {
                [] => null,
                [var id] => id,
                var ids => new JsonArray([.. ids.Select(id => JsonValue.Create(id))]),
            },
            ["pad_token_id"] = config.PadTokenId,
        };
        // Mistral's default is a window of 4096.
        if (config.ModelType == "mistral") json["sliding_window"] = null;
        if (config.ProblemType is not null) json["problem_type"] = config.ProblemType;
        if (config.Labels.Count == 0) return json;
        json["id2label"] = new JsonObject(config.Labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>($"{i}", label)));
        // The inverse only where it is one.
        if (config.Labels.Distinct().Count() == config.Labels.Count)
            json["label2id"] = new JsonObject(config.Labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>(label, i)));
        return json;
    }

    private static JsonObject? Rope(RopeScaling? scaling) => scaling switch
    {
        null => null,
        { Type: "llama3" } => new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = scaling.Factor,
            ["low_freq_factor"] = scaling.LowFrequencyFactor,
            ["high_freq_factor"] = scaling.HighFrequencyFactor,
            ["original_max_position_embeddings"] = scaling.OriginalMaxPositions,
        },
        _ => new JsonObject { ["rope_type"] = scaling.Type, ["factor"] = scaling.Factor },
    };
}
