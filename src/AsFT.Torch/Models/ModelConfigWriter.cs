using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Families;
using AsFT.Torch.Runtime;

namespace AsFT.Torch.Models;

/// <summary>Writes <c>config.json</c> with the names and defaults of Hugging Face transformers.</summary>
internal static class ModelConfigWriter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Save(ModelConfig config, string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        RequireFields(config);
        var text = ToJson(config).ToJsonString(Indented);
        AtomicOutput.WriteFile(Path.Combine(folder, ModelConfigReader.FileName), partial => File.WriteAllText(partial, text));
    }

    private static JsonObject ToJson(ModelConfig config)
    {
        var (spec, rotary) = (config.Spec, config.Spec.Rotary);
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray(config.Architecture ?? ModelFamily.Find(config.ModelType)?.ClassName + "ForCausalLM"),
            ["model_type"] = config.ModelType,
            ["vocab_size"] = config.VocabularySize,
            ["hidden_size"] = config.HiddenSize,
            ["intermediate_size"] = config.IntermediateSize,
            ["num_hidden_layers"] = config.LayerCount,
            ["num_attention_heads"] = config.HeadCount,
            ["num_key_value_heads"] = config.KeyValueHeadCount,
            ["head_dim"] = config.HeadSize,
            // Dynamic scaling begins behind the positions that are named here.
            ["max_position_embeddings"] = rotary.Scaling is { Type: "dynamic" } dynamic ? dynamic.OriginalMaxPositions : config.MaxPositions,
            ["rms_norm_eps"] = config.RmsNormEpsilon,
            ["rope_theta"] = rotary.Theta,
            ["rope_scaling"] = Rope(rotary.Scaling),
            ["hidden_act"] = spec.Gate == GateActivation.Silu ? "silu" : "gelu_pytorch_tanh",
            ["tie_word_embeddings"] = config.TieWordEmbeddings,
            ["attention_bias"] = spec.Biases.HasFlag(Biases.Attention),
            ["mlp_bias"] = spec.Biases.HasFlag(Biases.Mlp),
            ["bos_token_id"] = config.BosTokenId,
            ["eos_token_id"] = config.EosTokenIds switch
            {
                [] => null,
                [var id] => id,
                var ids => new JsonArray([.. ids.Select(id => JsonValue.Create(id))]),
            },
            ["pad_token_id"] = config.PadTokenId,
        };
        foreach (var (name, value) in FamilyFields(config)) json[name] = value;
        if (config.ProblemType is not null) json["problem_type"] = config.ProblemType;
        if (config.Labels.Count == 0) return json;
        json["id2label"] = new JsonObject(config.Labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>($"{i}", label)));
        // The inverse only where it is one.
        if (config.Labels.Distinct().Count() == config.Labels.Count)
            json["label2id"] = new JsonObject(config.Labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>(label, i)));
        return json;
    }

    // What some family has a field for. Each takes its own and no class of transformers minds the others.
    private static IEnumerable<(string Name, JsonNode? Value)> FamilyFields(ModelConfig config)
    {
        var (spec, plain) = (config.Spec, new DecoderSpec());
        // Its class has none of them.
        if (config.ModelType == "llama") yield break;
        var layers = Enumerable.Range(0, config.LayerCount);
        yield return ("sliding_window", spec.Window);
        yield return ("use_sliding_window", spec.Window is not null);
        yield return ("layer_types", new JsonArray([.. layers.Select(i => JsonValue.Create(spec.WindowOf(i) is null ? "full_attention" : "sliding_attention"))]));
        yield return ("no_rope_layers", new JsonArray([.. layers.Select(i => JsonValue.Create(spec.RotaryOf(i) is null ? 0 : 1))]));
        if (spec.WindowRotary is { } local) yield return ("rope_local_base_freq", local.Theta);
        if (spec.Rotary.Share != 1) yield return ("partial_rotary_factor", spec.Rotary.Share);
        yield return ("attn_logit_softcapping", spec.AttentionSoftCap);
        yield return ("final_logit_softcapping", spec.LogitSoftCap);
        if (spec.AttentionScale is { } scale)
        {
            yield return ("query_pre_attn_scalar", Math.Round(1 / (scale * scale), 9));
            yield return ("attention_multiplier", scale);
        }
        if (spec.EmbeddingScale != plain.EmbeddingScale) yield return ("embedding_multiplier", spec.EmbeddingScale);
        if (spec.ResidualScale != plain.ResidualScale) yield return ("residual_multiplier", spec.ResidualScale);
        if (spec.LogitDivisor != plain.LogitDivisor) yield return ("logits_scaling", spec.LogitDivisor);
    }

    // A file that reads as another model would be a wrong result in silence.
    private static void RequireFields(ModelConfig config)
    {
        using var document = JsonDocument.Parse(ToJson(config).ToJsonString());
        ModelConfig read;
        try
        {
            read = ModelConfigReader.Read(new ConfigObject(document.RootElement, ModelConfigReader.FileName), ModelConfigReader.FileName);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidOperationException($"A {config.ModelType} of this shape cannot be written as {ModelConfigReader.FileName}: {e.Message}", e);
        }
        if (config.Spec.DifferenceFrom(read.Spec) is { } difference)
            throw new InvalidOperationException($"{ModelConfigReader.FileName} of a {config.ModelType} has no field for {difference.Name} = {difference.Left}; it would be read as {difference.Right}.");
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
        { Type: "yarn" } => new JsonObject
        {
            ["rope_type"] = "yarn",
            ["factor"] = scaling.Factor,
            ["original_max_position_embeddings"] = scaling.OriginalMaxPositions,
            ["attention_factor"] = scaling.Magnitude,
            ["beta_fast"] = scaling.BetaFast,
            ["beta_slow"] = scaling.BetaSlow,
            ["truncate"] = scaling.IsTruncated,
        },
        { Type: "longrope" } => new JsonObject
        {
            ["rope_type"] = "longrope",
            ["factor"] = scaling.Factor,
            ["original_max_position_embeddings"] = scaling.OriginalMaxPositions,
            ["attention_factor"] = scaling.Magnitude,
            ["short_factor"] = new JsonArray([.. scaling.ShortFactors.Select(factor => JsonValue.Create(factor))]),
            ["long_factor"] = new JsonArray([.. scaling.LongFactors.Select(factor => JsonValue.Create(factor))]),
        },
        _ => new JsonObject { ["rope_type"] = scaling.Type, ["factor"] = scaling.Factor },
    };
}
