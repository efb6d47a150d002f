using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>PEFT's adapter folder: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
internal static class PeftFolder
{
    public const string ConfigFile = "adapter_config.json";
    public const string WeightsFile = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";
    private const string FactorA = ".lora_A.weight";
    private const string FactorB = ".lora_B.weight";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static void Write(LoraAdapter adapter, string folder, string? baseModel) => AtomicOutput.WriteFolder(folder, partial =>
    {
        var config = Config(adapter, baseModel).ToJsonString(Indented);
        SafetensorsWriter.Write(Path.Combine(partial, WeightsFile), adapter.Layers.SelectMany(layer => new[]
        {
            KeyValuePair.Create($"{Prefix}{layer.Name}{FactorA}", (Tensor)layer.A),
            KeyValuePair.Create($"{Prefix}{layer.Name}{FactorB}", (Tensor)layer.B),
        }), AdapterMetadata.Of(adapter, config));
        File.WriteAllText(Path.Combine(partial, ConfigFile), config);
    });

    public static LoraAdapter Read(IReadOnlyList<LinearLayer> linearLayers, string folder, long seed, bool allowOtherModel)
    {
        var options = ReadOptions(folder);
        var path = Path.Combine(folder, WeightsFile);
        using var file = SafetensorsFile.Open(path);
        AdapterMetadata.CheckConfig(file, Path.Combine(folder, ConfigFile));
        var byName = linearLayers.ToDictionary(layer => layer.Name);
        var names = LayerNames(file, byName, path);
        if (names.Count == 0) throw new InvalidDataException($"'{path}' holds no LoRA tensors.");

        var dropout = LoraAdapter.DropoutGenerator(options, linearLayers[0]);
        if (options.TargetModules.Count == 0) options = options with { TargetModules = [.. linearLayers.Select(layer => layer.Name).Where(names.Contains)] };
        var layers = new List<LoraLayer>();
        foreach (var target in linearLayers.Where(layer => names.Contains(layer.Name)))
        {
            LoraAdapter.RequireFree(target);
            var rank = Entry(file, target, FactorA, path).Shape[0];
            var a = ReadFactor(file, target, FactorA, [rank, target.InFeatures], path);
            var b = ReadFactor(file, target, FactorB, [target.OutFeatures, rank], path);
            layers.Add(new LoraLayer(target, a, b, options.Scale((int)rank), options.Dropout, dropout));
        }
        var isOfThisModel = AdapterMetadata.IsOf(file, layers.Select(layer => layer.Target));
        var adapter = new LoraAdapter(options, layers, dropout, seed) { IsOfThisModel = isOfThisModel };
        if (isOfThisModel != false || allowOtherModel) return adapter;
        adapter.Dispose();
        throw new InvalidDataException($"The adapter in '{folder}' was trained on another model: the weights it changes are not those of this one. "
            + "Give the model it was trained on, or allow another one (allowOtherModel, --allow-other-model).");
    }

    private static HashSet<string> LayerNames(SafetensorsFile file, Dictionary<string, LinearLayer> byName, string path)
    {
        var names = new HashSet<string>();
        foreach (var tensor in file.Entries.Keys)
        {
            if (!tensor.StartsWith(Prefix, StringComparison.Ordinal) || !(tensor.EndsWith(FactorA, StringComparison.Ordinal) || tensor.EndsWith(FactorB, StringComparison.Ordinal)))
                throw new InvalidDataException($"'{path}' holds tensor '{tensor}', which is no LoRA factor ({Prefix}LAYER{FactorA} or {FactorB}).");
            var name = tensor[Prefix.Length..^FactorA.Length];
            if (!byName.ContainsKey(name)) throw new InvalidDataException($"'{path}' holds tensor '{tensor}', but the model has no linear layer '{name}'.");
            names.Add(name);
        }
        return names;
    }

    private static SafetensorsEntry Entry(SafetensorsFile file, LinearLayer target, string factor, string path)
    {
        var name = $"{Prefix}{target.Name}{factor}";
        if (!file.Entries.TryGetValue(name, out var entry)) throw new InvalidDataException($"'{path}' has no tensor '{name}'.");
        if (entry.Shape.Count != 2 || entry.Shape[0] < 1) throw new InvalidDataException($"Tensor '{name}' in '{path}' has shape ({string.Join(", ", entry.Shape)}); a matrix is wanted.");
        return entry;
    }

    private static Parameter ReadFactor(SafetensorsFile file, LinearLayer target, string factor, long[] shape, string path)
    {
        var entry = Entry(file, target, factor, path);
        if (!entry.Shape.SequenceEqual(shape))
            throw new InvalidDataException($"Tensor '{entry.Name}' in '{path}' has shape ({string.Join(", ", entry.Shape)}); layer '{target.Name}' calls for ({string.Join(", ", shape)}).");
        return new Parameter(file.Read(entry.Name, LoraAdapter.AdapterDType(target), target.Weight.device).DetachFromDisposeScope());
    }

    private static JsonObject Config(LoraAdapter adapter, string? baseModel)
    {
        var options = adapter.Options;
        return new()
        {
            ["peft_type"] = "LORA",
            ["task_type"] = "CAUSAL_LM",
            ["base_model_name_or_path"] = baseModel,
            ["r"] = options.Rank,
            ["lora_alpha"] = options.Alpha,
            ["lora_dropout"] = options.Dropout,
            ["use_rslora"] = options.UseRsLora,
            ["target_modules"] = options.TargetModules is [TargetModules.AllLinear]
                ? TargetModules.AllLinear
                : new JsonArray([.. options.TargetModules.Select(name => JsonValue.Create(name))]),
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["modules_to_save"] = null,
            ["rank_pattern"] = new JsonObject(adapter.Layers.Where(layer => layer.A.shape[0] != options.Rank)
                .Select(layer => KeyValuePair.Create(layer.Name, (JsonNode?)layer.A.shape[0]))),
            ["alpha_pattern"] = new JsonObject(),
        };
    }

    public static LoraOptions ReadOptions(string folder)
    {
        var path = Path.Combine(folder, ConfigFile);
        if (!File.Exists(path)) throw new InvalidDataException($"'{folder}' is no PEFT adapter folder: it has no {ConfigFile}.");
        JsonElement config;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            config = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is not valid JSON: {e.Message}", e);
        }
        if (config.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"'{path}' is not a JSON object.");
        RefuseUnknownFeatures(config, path);
        var options = new LoraOptions
        {
            Rank = (int)Number(config, "r", path, 8),
            Alpha = Number(config, "lora_alpha", path, 8),
            Dropout = Number(config, "lora_dropout", path, 0),
            UseRsLora = IsTrue(config, "use_rslora"),
            TargetModules = config.TryGetProperty("target_modules", out var targets) ? targets.ValueKind switch
            {
                // A pattern of PEFT's own is not kept: the tensors name the layers.
                JsonValueKind.String when targets.GetString() == TargetModules.AllLinear => [TargetModules.AllLinear],
                JsonValueKind.String => [],
                JsonValueKind.Array => [.. targets.EnumerateArray().Select(t => t.ToString())],
                _ => [],
            } : [],
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
        return options;
    }

    // What would change the forward pass and is not plain LoRA must not be dropped in silence.
    private static void RefuseUnknownFeatures(JsonElement config, string path)
    {
        if (config.TryGetProperty("peft_type", out var type) && type.ToString() != "LORA")
            throw new InvalidDataException($"'{path}' describes a {type} adapter; only LORA is supported.");
        if (config.TryGetProperty("bias", out var bias) && bias.ValueKind == JsonValueKind.String && bias.GetString() != "none")
            throw new InvalidDataException($"'{path}' trains biases (bias = {bias}); only 'none' is supported.");
        // PiSSA, OLoRA and their like also change the weights below the adapter.
        if (config.TryGetProperty("init_lora_weights", out var init) && init.ValueKind == JsonValueKind.String && init.GetString() is not ("gaussian" or "orthogonal"))
            throw new InvalidDataException($"'{path}' was initialised with {init}, which changes the model's own weights; convert it to plain LoRA first.");
        foreach (var feature in new[] { "use_dora", "fan_in_fan_out", "use_qalora", "lora_bias" })
            if (IsTrue(config, feature)) throw new InvalidDataException($"'{path}' sets {feature}, which is not supported.");
        foreach (var feature in new[] { "modules_to_save", "alpha_pattern", "layer_replication", "trainable_token_indices" })
            if (config.TryGetProperty(feature, out var value) && (value.ValueKind is JsonValueKind.Object && value.EnumerateObject().Any() || value.ValueKind is JsonValueKind.Array && value.GetArrayLength() > 0))
                throw new InvalidDataException($"'{path}' uses {feature}, which is not supported.");
    }

    private static bool IsTrue(JsonElement config, string name) => config.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static double Number(JsonElement config, string name, string path, double missing)
    {
        if (!config.TryGetProperty(name, out var value)) return missing;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number)
            ? number
            : throw new InvalidDataException($"'{path}': {name} is {value}; a number is wanted.");
    }
}
