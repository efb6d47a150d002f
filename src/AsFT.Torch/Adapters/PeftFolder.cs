using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
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
            KeyValuePair.Create($"{Prefix}{PeftNames.Of(layer.Name)}{FactorA}", (Tensor)layer.A),
            KeyValuePair.Create($"{Prefix}{PeftNames.Of(layer.Name)}{FactorB}", (Tensor)layer.B),
        }), AdapterMetadata.Of(adapter, config));
        File.WriteAllText(Path.Combine(partial, ConfigFile), config);
    });

    /// <param name="linearLayers">The layers that it may change.</param>
    /// <param name="weights">Weights of the model by name: PEFT writes those of heads and embeddings beside an adapter that changes them or their size.</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="seed">Seeds dropout.</param>
    /// <param name="allowOtherModel">Whether it may be of another model.</param>
    /// <param name="dropoutRate">Dropout instead of the adapter's own; null: its own.</param>
    public static LoraAdapter Read(IReadOnlyList<LinearLayer> linearLayers, IEnumerable<KeyValuePair<string, Tensor>> weights, string folder, long seed, bool allowOtherModel, double? dropoutRate)
    {
        var (options, patterns) = ReadConfig(folder);
        if (dropoutRate is { } rate) (options = options with { Dropout = rate }).Validate();
        var path = Path.Combine(folder, WeightsFile);
        if (!File.Exists(path)) throw new InvalidDataException(PickleFiles.FindIn(folder) is { } pickle ? PickleFiles.Refusal(pickle) : $"'{folder}' has no {WeightsFile}, the weights of the adapter.");
        using var file = SafetensorsFile.Open(path);
        AdapterMetadata.CheckConfig(file, Path.Combine(folder, ConfigFile));
        var byName = linearLayers.ToDictionary(layer => layer.Name);
        var names = LayerNames(file, byName, weights.ToDictionary(), path);
        if (names.Count == 0) throw new InvalidDataException($"'{path}' holds no LoRA tensors.");
        RequireTargets(patterns, [.. names.Select(PeftNames.Of)], byName.Keys.Select(PeftNames.Of), folder);

        var dropout = LoraAdapter.Dropout(options, seed);
        // Where names alone would mean other layers (a pattern, exclusions, layers by number), the layers are named one by one.
        List<string> layerNames = [.. linearLayers.Select(layer => layer.Name).Where(names.Contains)];
        if (!linearLayers.Select(layer => layer.Name).Where(name => options.TargetModules.Any(target => TargetModules.Matches(name, target))).SequenceEqual(layerNames))
            options = options with { TargetModules = layerNames };
        var layers = new List<LoraLayer>();
        foreach (var target in linearLayers.Where(layer => names.Contains(layer.Name)))
        {
            LoraAdapter.RequireFree(target);
            var entry = Entry(file, target, FactorA, path);
            var (rank, wanted) = (entry.Shape[0], patterns.Rank(PeftNames.Of(target.Name)) ?? options.Rank);
            if (rank != wanted) throw new InvalidDataException($"Tensor '{entry.Name}' in '{path}' has rank {rank}; {ConfigFile} says {wanted}, by which its scale is computed.");
            var a = ReadFactor(file, target, FactorA, [rank, target.InFeatures], path);
            var b = ReadFactor(file, target, FactorB, [target.OutFeatures, rank], path);
            var scaled = patterns.Alpha(PeftNames.Of(target.Name)) is { } alpha ? options with { Alpha = alpha } : options;
            layers.Add(new LoraLayer(target, a, b, scaled.Scale((int)rank), dropout, layers.Count));
        }
        var isOfThisModel = AdapterMetadata.IsOf(file, layers.Select(layer => layer.Target));
        var adapter = new LoraAdapter(options, layers, dropout) { IsOfThisModel = isOfThisModel, Origin = (Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), InputFile.Sha256(path)), WeightFormat = AdapterMetadata.FormatOf(file) ?? WeightFormat.Dense };
        if (isOfThisModel != false || allowOtherModel) return adapter;
        adapter.Dispose();
        throw new InvalidDataException($"The adapter in '{folder}' was trained on another model: the weights it changes are not those of this one. "
            + "Give the model it was trained on, or allow another one (allowOtherModel, --allow-other-model).");
    }

    // Part of an adapter works like another adapter, and nothing shows it.
    private static void RequireTargets(PeftPatterns patterns, HashSet<string> found, IEnumerable<string> layers, string folder)
    {
        if (patterns.Targets(layers) is not { } targets) return;
        var wanted = targets.ToList();
        Require(wanted.Where(name => !found.Contains(name)), $"the layers that target_modules of {ConfigFile} names, but not the weights of");
        Require(found.Except(wanted).Order(StringComparer.Ordinal), $"weights that target_modules of {ConfigFile} does not name, of");

        void Require(IEnumerable<string> differing, string what)
        {
            if (differing.ToList() is not { Count: > 0 } names) return;
            throw new InvalidDataException($"The adapter in '{folder}' has {what} {string.Join(", ", names.Take(10))}{(names.Count > 10 ? $" and {names.Count - 10} more" : "")}: {WeightsFile} and {ConfigFile} are not of one adapter, or not whole.");
        }
    }

    private static HashSet<string> LayerNames(SafetensorsFile file, Dictionary<string, LinearLayer> byName, Dictionary<string, Tensor> weights, string path)
    {
        var names = new HashSet<string>();
        foreach (var tensor in file.Entries.Keys)
        {
            if (!tensor.StartsWith(Prefix, StringComparison.Ordinal) || !(tensor.EndsWith(FactorA, StringComparison.Ordinal) || tensor.EndsWith(FactorB, StringComparison.Ordinal)))
            {
                if (ModelWeight(tensor, weights) is not { } weight)
                    throw new InvalidDataException($"'{path}' holds tensor '{SafetensorsHeader.Shown(tensor)}', which is no LoRA factor ({Prefix}LAYER{FactorA} or {FactorB}){PeftFields.Meaning(tensor)}.");
                RequireSame(file, tensor, weight, path);
                continue;
            }
            var name = tensor[Prefix.Length..^FactorA.Length];
            if (!byName.ContainsKey(name)) name = PeftNames.InCheckpoint(name);
            if (!byName.ContainsKey(name)) throw new InvalidDataException($"'{path}' holds tensor '{tensor}', but the model has no linear layer '{name}'.");
            names.Add(name);
        }
        return names;
    }

    // A weight of the model itself that lies beside the factors.
    private static Tensor? ModelWeight(string tensor, Dictionary<string, Tensor> weights)
    {
        if (!tensor.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var name = tensor[Prefix.Length..].Replace(".base_layer.", ".", StringComparison.Ordinal);
        return weights.TryGetValue(name, out var weight) || weights.TryGetValue(PeftNames.InCheckpoint(name), out weight) ? weight : null;
    }

    // PEFT would put it in the model's place.
    private static void RequireSame(SafetensorsFile file, string tensor, Tensor weight, string path)
    {
        using var scope = NewDisposeScope();
        if (!file.Entries[tensor].Shape.SequenceEqual(weight.shape) || !file.Read(tensor, weight.dtype, weight.device).equal(weight).all().item<bool>())
            throw new InvalidDataException($"'{path}' holds tensor '{SafetensorsHeader.Shown(tensor)}', which is another one than the model's own: the adapter replaces a weight, which is not supported, or belongs to another model.");
    }

    private static SafetensorsEntry Entry(SafetensorsFile file, LinearLayer target, string factor, string path)
    {
        var name = $"{Prefix}{PeftNames.Of(target.Name)}{factor}";
        if (!file.Entries.TryGetValue(name, out var entry) && !file.Entries.TryGetValue($"{Prefix}{target.Name}{factor}", out entry)) throw new InvalidDataException($"'{path}' has no tensor '{name}'.");
        if (entry.Shape.Count != 2 || entry.Shape[0] < 1) throw new InvalidDataException($"Tensor '{name}' in '{path}' has shape ({string.Join(", ", entry.Shape)}); a matrix is wanted.");
        return entry;
    }

    private static Parameter ReadFactor(SafetensorsFile file, LinearLayer target, string factor, long[] shape, string path)
    {
        var entry = Entry(file, target, factor, path);
        if (!entry.Shape.SequenceEqual(shape))
            throw new InvalidDataException($"Tensor '{entry.Name}' in '{path}' has shape ({string.Join(", ", entry.Shape)}); layer '{target.Name}' calls for ({string.Join(", ", shape)}).");
        return new Parameter(file.Read(entry.Name, LoraAdapter.AdapterDType(target), target.Weight.Device).DetachFromDisposeScope());
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
            ["target_modules"] = Targets(adapter),
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["modules_to_save"] = null,
            ["rank_pattern"] = new JsonObject(adapter.Layers.Where(layer => layer.A.shape[0] != options.Rank)
                .Select(layer => KeyValuePair.Create(PeftNames.Of(layer.Name), (JsonNode?)layer.A.shape[0]))),
            ["alpha_pattern"] = new JsonObject(adapter.Layers.Select(layer => (layer.Name, Alpha: Alpha(layer, options))).Where(layer => Math.Abs(layer.Alpha - options.Alpha) > 1e-9 * options.Alpha)
                .Select(layer => KeyValuePair.Create(PeftNames.Of(layer.Name), (JsonNode?)layer.Alpha))),
        };
    }

    // By which a layer of its rank gets its scale.
    private static double Alpha(LoraLayer layer, LoraOptions options) => layer.Scale / (options with { Alpha = 1 }).Scale((int)layer.A.shape[0]);

    // In a multimodal model a suffix, or all-linear, would mean layers of the vision tower too: PEFT gets a pattern for those of the text model.
    private static JsonNode Targets(LoraAdapter adapter)
    {
        if (adapter.Layers.Any(layer => PeftNames.Of(layer.Name) != layer.Name))
            return JsonValue.Create($"({string.Join('|', adapter.Layers.Select(layer => Regex.Escape(PeftNames.Of(layer.Name))))})");
        var targets = adapter.Options.TargetModules;
        return targets is [TargetModules.AllLinear] ? JsonValue.Create(targets[0]) : new JsonArray([.. targets.Select(name => JsonValue.Create(name))]);
    }

    public static LoraOptions ReadOptions(string folder) => ReadConfig(folder).Options;

    private static (LoraOptions Options, PeftPatterns Patterns) ReadConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigFile);
        if (!File.Exists(path)) throw new InvalidDataException($"'{folder}' is no PEFT adapter folder: it has no {ConfigFile}.{HubName.Advice(folder)}");
        using var document = JsonInput.Open(path);
        var config = new ConfigObject(document.RootElement, path);
        PeftFields.Check(config);
        var rank = Number(config, "r", 8);
        var options = new LoraOptions
        {
            Rank = rank % 1 == 0 && rank is >= 1 and <= int.MaxValue ? (int)rank : throw config.Wrong("r", $"{rank}", $"a whole number from 1 to {int.MaxValue} is wanted"),
            Alpha = Number(config, "lora_alpha", 8),
            // Of no weight in what is computed from the adapter; null is none.
            Dropout = config.Field("lora_dropout") is null ? 0 : Number(config, "lora_dropout", 0),
            UseRsLora = config.Flag("use_rslora"),
            // A pattern of PEFT's own is not kept: the tensors name the layers.
            TargetModules = config.Field("target_modules") is { ValueKind: JsonValueKind.String } pattern && pattern.GetString() != TargetModules.AllLinear ? [] : PeftPatterns.Texts(config, "target_modules"),
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
        return (options, new PeftPatterns(config));
    }

    // Null is an error here: what PEFT would take instead of it decides the scale.
    private static double Number(ConfigObject config, string name, double missing) => !config.Has(name) ? missing
        : config.Field(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetDouble(out var number) ? number
        : throw config.Wrong(name, config.Field(name) is { } wrong ? ConfigObject.Shown(wrong) : "null", "a number is wanted");
}
