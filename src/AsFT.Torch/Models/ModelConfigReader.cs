using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Models.Families;

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
        var root = new ConfigObject(document.RootElement, path);
        var config = Read(root, path);
        var text = TextModel(root, ModelFamily.Find(config.ModelType)!, path);

        var generationPath = Path.Combine(folder, GenerationFileName);
        if (!File.Exists(generationPath)) return config with { EosTokenIds = EndTokens(config.VocabularySize, text, root) };
        using var generation = JsonInput.Open(generationPath);
        return config with { EosTokenIds = EndTokens(config.VocabularySize, new ConfigObject(generation.RootElement, generationPath), text, root) };
    }

    /// <summary>Reads the fields of a file.</summary>
    /// <param name="root">The file's object.</param>
    /// <param name="path">The file, for messages.</param>
    internal static ModelConfig Read(ConfigObject root, string path)
    {
        var known = string.Join(", ", ModelFamily.ModelTypes);
        var modelType = root.Text("model_type") ?? throw new InvalidDataException($"'{path}' has no model_type; one of {known} is wanted.");
        var family = ModelFamily.Find(modelType)
            ?? throw root.Wrong("model_type", $"'{SafetensorsHeader.Shown(modelType)}'", $"computed are {known}");
        var json = TextModel(root, family, path);
        var sizes = ReadSizes(json, family.Defaults) with
        {
            ModelType = modelType,
            TieWordEmbeddings = root.Flag("tie_word_embeddings", json.Flag("tie_word_embeddings", family.Defaults.TieWordEmbeddings)),
            Labels = Labels(root, path, Architecture(root)),
            ProblemType = root.Text("problem_type") is not { } problem ? null
                : ProblemTypes.Contains(problem) ? problem
                : throw root.Wrong("problem_type", $"'{SafetensorsHeader.Shown(problem)}'", $"{string.Join(", ", ProblemTypes)} or null is wanted"),
            Architecture = Architecture(root),
            StoredFormat = StoredFormat(root) ?? StoredFormat(json) ?? WeightFormat.Dense,
        };
        var vocabulary = sizes.VocabularySize;
        int? Token(string field) => (json.Token(field) ?? root.Token(field)) is { } id && id < vocabulary ? id : null;
        sizes = sizes with { BosTokenId = Token("bos_token_id"), PadTokenId = Token("pad_token_id") };
        var spec = family.Read(json, sizes);
        var longest = LongestSequence(sizes.MaxPositions, spec.Rotary.Scaling);
        // A window as long as the longest sequence is none, unless its layers also have rotary positions of their own.
        if (spec.Window >= longest && spec.WindowRotary is null) spec = spec with { Window = null, LayersWithoutWindow = [] };
        return sizes with { Spec = spec, MaxPositions = longest };
    }

    // What bitsandbytes stored is read; what other methods did is refused by their name.
    private static WeightFormat? StoredFormat(ConfigObject place)
    {
        const string Field = "quantization_config";
        if (place.Field(Field) is null) return null;
        var json = place.Object(Field)!.Value;
        bool isFour = json.Flag("load_in_4bit", false), isEight = json.Flag("load_in_8bit", false);
        var method = json.Text("quant_method") ?? (isFour || isEight ? "bitsandbytes" : "an unnamed method");
        var cure = $"take the checkpoint that is not quantised; {nameof(WeightFormat)} {WeightFormat.Nf4} or {WeightFormat.Int8} quantises it while it is loaded";
        if (method != "bitsandbytes") throw place.Wrong(Field, $"of '{SafetensorsHeader.Shown(method)}'", $"weights that it quantised are not read: {cure}");
        if (isFour == isEight) throw place.Wrong(Field, isFour ? "of bitsandbytes in 4 and in 8 bits" : "of bitsandbytes without load_in_4bit or load_in_8bit", $"one of the two is wanted: {cure}");
        // bitsandbytes' own default is FP4.
        if (isFour && (json.Text("bnb_4bit_quant_type") ?? "fp4") is var type && type != "nf4")
            throw place.Wrong(Field, $"of bitsandbytes with bnb_4bit_quant_type '{SafetensorsHeader.Shown(type)}'", $"nf4 alone is read of its 4-bit types: {cure}");
        return isFour ? WeightFormat.Nf4 : WeightFormat.Int8;
    }

    private static ConfigObject TextModel(ConfigObject root, ModelFamily family, string path) => family.TextPart is not { } part ? root
        : root.Object(part) ?? throw new InvalidDataException($"'{path}' has no {part}, which holds the text model.");

    private static ModelConfig ReadSizes(ConfigObject json, FamilyDefaults defaults)
    {
        int Size(string field, int? missing) => missing is { } size ? json.Size(field) ?? size : json.RequiredSize(field);
        var (hidden, heads) = (Size("hidden_size", defaults.HiddenSize), Size("num_attention_heads", defaults.HeadCount));
        var keyValueHeads = json.Has("num_key_value_heads") ? json.Size("num_key_value_heads") ?? heads : defaults.KeyValueHeadCount ?? heads;
        if (heads % keyValueHeads != 0) throw json.Wrong("num_key_value_heads", $"{keyValueHeads}", $"a divisor of num_attention_heads, {heads}, is wanted");
        if ((json.Has("head_dim") ? json.Size("head_dim") : defaults.HeadSize) is not { } headSize)
            headSize = hidden % heads == 0 ? hidden / heads : throw json.Wrong("num_attention_heads", $"{heads}", $"without head_dim a divisor of hidden_size, {hidden}, is wanted");
        if (headSize > MaxHeadSize || (long)heads * headSize > int.MaxValue) throw json.Wrong("head_dim", $"{headSize}", $"at most {MaxHeadSize} is wanted, and at most {int.MaxValue} for all {heads} heads together");
        if (headSize % 2 != 0) throw json.Wrong("head_dim", $"{headSize}", "rotary embedding calls for an even number");
        var layers = Size("num_hidden_layers", defaults.LayerCount);
        if (layers > MaxLayers) throw json.Wrong("num_hidden_layers", $"{layers}", $"at most {MaxLayers} is wanted");
        return new ModelConfig
        {
            VocabularySize = Size("vocab_size", defaults.VocabularySize),
            HiddenSize = hidden,
            IntermediateSize = Size("intermediate_size", defaults.IntermediateSize),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = json.Size("max_position_embeddings") ?? defaults.MaxPositions,
            RmsNormEpsilon = json.Positive("rms_norm_eps") ?? defaults.RmsNormEpsilon,
        };
    }

    // These scalings are made for sequences beyond the positions that the file names.
    private static int LongestSequence(int positions, RopeScaling? scaling) => scaling is not { Type: "yarn" or "dynamic" } ? positions
        : (int)Math.Min(int.MaxValue, Math.Max(positions, scaling.Factor * scaling.OriginalMaxPositions));

    private static string? Architecture(ConfigObject json)
    {
        if (json.Field("architectures") is not { } list) return null;
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw json.Wrong("architectures", "no list of texts", "for instance [\"LlamaForCausalLM\"] is wanted");
        return list.GetArrayLength() == 0 ? null : list[0].GetString();
    }

    // A token without an embedding is never generated, so it ends nothing; but something must.
    private static List<int> EndTokens(int vocabulary, params ReadOnlySpan<ConfigObject> places)
    {
        var json = places[^1];
        foreach (var place in places)
        {
            if (place.Tokens("eos_token_id").Count == 0) continue;
            json = place;
            break;
        }
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
