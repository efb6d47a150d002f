using System.Text.Json;
using System.Text.RegularExpressions;
using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>What a Hugging Face <c>tokenizer.json</c> with byte-level BPE says.</summary>
internal sealed record HuggingFaceTokenizerFile
{
    // The largest published vocabularies (a quarter of a million tokens) take some 35 MB.
    private const long MaxBytes = 256 << 20;

    public required Dictionary<string, int> Vocabulary { get; init; }
    /// <summary>Pairs in order of rank.</summary>
    public required IReadOnlyList<(string Left, string Right)> Merges { get; init; }
    /// <summary>Whether a word that is a token is taken whole, without merging (Llama 3).</summary>
    public bool IgnoreMerges { get; init; }
    public required IReadOnlyList<(string Text, int Id, bool Special)> Added { get; init; }
    public bool Compose { get; init; }
    public bool AddPrefixSpace { get; init; }
    public required IReadOnlyList<Regex> Splits { get; init; }
    /// <summary>Special token that the post-processor puts before a text, or null.</summary>
    public string? First { get; init; }

    /// <exception cref="InvalidDataException">The file is damaged, or asks for what is not supported.</exception>
    public static HuggingFaceTokenizerFile Read(string path)
    {
        try
        {
            using JsonDocument document = JsonInput.Open(path, MaxBytes);
            return Parse(document.RootElement);
        }
        catch (Exception e) when (e is FormatException or RegexParseException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    private static HuggingFaceTokenizerFile Parse(JsonElement root)
    {
        JsonElement model = Member(root, "model", JsonValueKind.Object) ?? throw new FormatException("there is no \"model\".");
        string type = Kind(model) ?? "BPE";
        if (type != "BPE")
            throw new FormatException($"the model type is {type}; supported is byte-level BPE, and SentencePiece models as tokenizer.model.");
        if (Flag(model, "byte_fallback") || Describe(root).Contains("Metaspace", StringComparison.Ordinal))
        {
            throw new FormatException(
                "this is a converted SentencePiece tokenizer (byte_fallback or Metaspace); put the tokenizer.model it was made from beside it.");
        }
        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (Member(model, name, JsonValueKind.String) is { } affix && affix.GetString() is { Length: > 0 } text)
                throw new FormatException($"{name} '{text}' is not supported.");
        }
        JsonElement vocabulary = Member(model, "vocab", JsonValueKind.Object) ?? throw new FormatException("the model has no \"vocab\".");
        (List<Regex> splits, bool prefix) = ReadSplits(root);
        return new HuggingFaceTokenizerFile
        {
            Vocabulary = ReadVocabulary(vocabulary),
            Merges = ReadMerges(Member(model, "merges", JsonValueKind.Array) ?? throw new FormatException("the model has no \"merges\".")),
            IgnoreMerges = Flag(model, "ignore_merges"),
            Added = ReadAdded(root),
            Compose = ReadNormalizer(root),
            AddPrefixSpace = prefix,
            Splits = splits,
            First = ReadFirst(root),
        };
    }

    private static Dictionary<string, int> ReadVocabulary(JsonElement element)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var ids = new HashSet<int>();
        foreach (JsonProperty entry in element.EnumerateObject())
        {
            int id = Id(entry.Value, entry.Name);
            if (!vocabulary.TryAdd(entry.Name, id)) throw new FormatException($"the token '{entry.Name}' occurs twice in the vocabulary.");
            if (!ids.Add(id)) throw new FormatException($"the id {id} occurs twice in the vocabulary.");
        }
        for (int b = 0; b < 256; b++)
        {
            if (!vocabulary.ContainsKey(ByteAlphabet.Character(b).ToString()))
                throw new FormatException($"the vocabulary has no token for byte 0x{b:X2} ('{ByteAlphabet.Character(b)}'), so it is not byte-level BPE.");
        }
        return vocabulary;
    }

    private static List<(string, string)> ReadMerges(JsonElement element)
    {
        var merges = new List<(string, string)>(element.GetArrayLength());
        foreach (JsonElement merge in element.EnumerateArray())
        {
            string[]? pair = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString()!.Split(' '),
                JsonValueKind.Array when merge.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String) => [.. merge.EnumerateArray().Select(e => e.GetString()!)],
                _ => null,
            };
            if (pair is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw new FormatException($"merge {merges.Count} is {merge.GetRawText()}; wanted is \"a b\" or [\"a\", \"b\"].");
            merges.Add((left, right));
        }
        return merges;
    }

    private static List<(string, int, bool)> ReadAdded(JsonElement root)
    {
        var added = new List<(string, int, bool)>();
        if (Member(root, "added_tokens", JsonValueKind.Array) is not { } list) return added;
        foreach (JsonElement token in list.EnumerateArray())
        {
            if (Member(token, "content", JsonValueKind.String)?.GetString() is not { Length: > 0 } text) throw new FormatException("an added token has no content.");
            added.Add((text, Id(token.TryGetProperty("id", out JsonElement id) ? id : throw new FormatException($"the added token '{text}' has no id."), text), Flag(token, "special")));
        }
        return added;
    }

    private static bool ReadNormalizer(JsonElement root)
    {
        bool compose = false;
        foreach (JsonElement step in Steps(root, "normalizer", "normalizers"))
        {
            compose = Kind(step) == "NFC" ? true : throw new FormatException($"the normalizer {Kind(step)} is not supported; NFC is.");
        }
        return compose;
    }

    private static (List<Regex> Splits, bool PrefixSpace) ReadSplits(JsonElement root)
    {
        var splits = new List<Regex>();
        bool byteLevel = false, prefix = false;
        foreach (JsonElement step in Steps(root, "pre_tokenizer", "pretokenizers"))
        {
            switch (Kind(step))
            {
                case "ByteLevel":
                    byteLevel = true;
                    prefix |= Flag(step, "add_prefix_space");
                    if (Flag(step, "use_regex", otherwise: true)) splits.Add(FileExpression.Create(WordSplitter.Gpt2));
                    break;
                case "Split":
                    splits.Add(ReadSplit(step));
                    break;
                case "Digits":
                    splits.Add(FileExpression.Create(Flag(step, "individual_digits") ? @"\p{N}" : @"\p{N}+"));
                    break;
                default:
                    throw new FormatException($"the pre-tokenizer {Kind(step)} is not supported; ByteLevel, Split and Digits are.");
            }
        }
        return byteLevel ? (splits, prefix) : throw new FormatException("no ByteLevel pre-tokenizer: this is not byte-level BPE; a SentencePiece model is read from tokenizer.model.");
    }

    private static Regex ReadSplit(JsonElement step)
    {
        JsonElement pattern = Member(step, "pattern", JsonValueKind.Object) ?? throw new FormatException("a Split has no pattern.");
        string expression = Member(pattern, "Regex", JsonValueKind.String)?.GetString()
            ?? (Member(pattern, "String", JsonValueKind.String)?.GetString() is { } literal ? Regex.Escape(literal) : throw new FormatException("a Split's pattern is neither Regex nor String."));
        // With "Removed" and "invert" the matches are the words; published patterns match everything, so nothing would be removed.
        string? behavior = Member(step, "behavior", JsonValueKind.String)?.GetString();
        bool known = behavior == "Isolated" || behavior == "Removed" && Flag(step, "invert");
        return known ? FileExpression.Create(expression) : throw new FormatException($"the Split behaviour {behavior} is not supported; Isolated is.");
    }

    private static string? ReadFirst(JsonElement root)
    {
        foreach (JsonElement step in Steps(root, "post_processor", "processors"))
        {
            if (Kind(step) != "TemplateProcessing" || Member(step, "single", JsonValueKind.Array) is not { } single || single.GetArrayLength() == 0) continue;
            if (Member(single[0], "SpecialToken", JsonValueKind.Object) is { } token) return Member(token, "id", JsonValueKind.String)?.GetString();
        }
        return null;
    }

    // A part of the pipeline: none, one step, or a Sequence of them.
    private static IEnumerable<JsonElement> Steps(JsonElement root, string name, string list)
    {
        if (Member(root, name, JsonValueKind.Object) is not { } step) return [];
        if (Kind(step) != "Sequence") return [step];
        return Member(step, list, JsonValueKind.Array) is { } steps ? [.. steps.EnumerateArray()] : throw new FormatException($"the {name} is a Sequence without {list}.");
    }

    private static string Describe(JsonElement root) =>
        Member(root, "pre_tokenizer", JsonValueKind.Object)?.GetRawText() + Member(root, "decoder", JsonValueKind.Object)?.GetRawText();

    private static int Id(JsonElement element, string token) => element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int id) && id >= 0 && id < int.MaxValue
        ? id
        : throw new FormatException($"the id of '{token}' is {element.GetRawText()}.");

    private static JsonElement? Member(JsonElement element, string name, JsonValueKind kind) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == kind ? value : null;

    private static bool Flag(JsonElement element, string name, bool otherwise = false) =>
        element.TryGetProperty(name, out JsonElement value) ? value.ValueKind == JsonValueKind.True : otherwise;

    private static string? Kind(JsonElement element) => Member(element, "type", JsonValueKind.String)?.GetString();
}
