using System.Text.Json;
using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Adapters;

/// <summary>
/// What the fields of <c>adapter_config.json</c> do to an adapter's numbers. A field that makes it more than LoRA is refused by name, and so is one
/// that nobody here knows, where it is set: it may change what the adapter computes.
/// </summary>
internal static class PeftFields
{
    // Read (see PeftFolder and PeftPatterns), or without weight in what is computed from weights that are trained already: where the run came from,
    // how it was begun, and settings of what other fields switch on.
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "bias", "init_lora_weights",
        "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
        "base_model_name_or_path", "revision", "task_type", "inference_mode", "auto_mapping", "peft_version", "runtime_config",
        "eva_config", "corda_config", "loftq_config", "lora_ga_config", "qalora_group_size", "megatron_config", "megatron_core",
        // Merging when the model answers, in PEFT's first versions.
        "merge_weights",
        // Of layers whose weights lie transposed; PEFT itself takes it back for linear ones.
        "fan_in_fan_out",
        // Of embeddings and saved modules, which are refused as such.
        "ensure_weight_tying",
    };

    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["use_dora"] = "DoRA also scales the rows of the weights",
        ["use_qalora"] = "QALoRA pools what the layers read",
        ["use_bdlora"] = "the factors are block-diagonal",
        ["lora_bias"] = "it trains biases of the factors",
        ["modules_to_save"] = "it replaces whole modules of the model",
        ["trainable_token_indices"] = "it replaces the embeddings of some tokens",
        ["target_parameters"] = "it changes parameters that are no linear layers",
        ["layer_replication"] = "it repeats layers of the model",
        ["alora_invocation_tokens"] = "it acts behind some tokens alone",
        ["arrow_config"] = "it chooses among several adapters",
        ["enable_lora"] = "it changes parts of fused layers",
        ["kasa_config"] = "KaSA also changes the model's own weights",
        ["monteclora_config"] = "MonteCLoRA draws its factors",
        ["velora_config"] = "VeLoRA keeps what is none of LoRA's factors",
    };

    private static readonly (string Word, string Means)[] Tensors =
    [
        ("lora_embedding_", "the adapter changes embeddings, too"),
        ("lora_magnitude_vector", "the adapter is DoRA"),
        ("lora_B.bias", "the adapter has biases (lora_bias)"),
        ("token_adapter", "the adapter replaces the embeddings of some tokens (trainable_token_indices)"),
        ("modules_to_save", "the adapter replaces whole modules (modules_to_save)"),
        ("lora_A.default", "the adapter was not written by PEFT's save_pretrained, which leaves out the adapter's name"),
    ];

    /// <summary>Refuses what is not plain LoRA, and what is not known.</summary>
    /// <exception cref="InvalidDataException">A field is set to what is not read; names it and says why.</exception>
    public static void Check(ConfigObject config)
    {
        if (config.Text("peft_type") is { } type and not "LORA") throw config.Wrong("peft_type", $"'{SafetensorsHeader.Shown(type)}'", "only LORA is read");
        if (config.Field("bias") is { ValueKind: JsonValueKind.String } bias && bias.GetString() is { } trained and not "none")
            throw config.Wrong("bias", $"'{SafetensorsHeader.Shown(trained)}'", "trained biases are not read; none is wanted");
        // PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA also change the weights below the adapter. EVA only begins A elsewhere.
        if (config.Field("init_lora_weights") is { ValueKind: JsonValueKind.String } init && init.GetString() is { } start and not ("gaussian" or "orthogonal" or "eva"))
            throw config.Wrong("init_lora_weights", $"'{SafetensorsHeader.Shown(start)}'", "it changes the model's own weights, too; convert the adapter to plain LoRA first (save_pretrained with path_initial_model_for_weight_conversion in PEFT)");
        foreach (var field in config.Properties())
        {
            if (Known.Contains(field.Name) || !IsSet(field.Value)) continue;
            throw config.Wrong(SafetensorsHeader.Shown(field.Name), ConfigObject.Shown(field.Value), Refused.TryGetValue(field.Name, out var why)
                ? $"{why}, which is not supported: plain LoRA alone is read"
                : "the field is not known here and may change what the adapter computes; take it out of the file if it does not");
        }
    }

    /// <summary>What a tensor that is no factor of LoRA says of the adapter.</summary>
    public static string Meaning(string tensor) => Array.Find(Tensors, known => tensor.Contains(known.Word, StringComparison.Ordinal)).Means is { } means ? $": {means}; plain LoRA on linear layers alone is read" : "";

    private static bool IsSet(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };
}
