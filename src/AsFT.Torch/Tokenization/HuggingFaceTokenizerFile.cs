using System.Text.Json;
using System.Text.RegularExpressions;
using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>What a Hugging Face <c>tokenizer.json</c> with byte-pair encoding says.</summary>
internal sealed record HuggingFaceTokenizerFile
{
    // The largest published vocabularies (a quarter of a million tokens) take some 35 MB.
    private const long MaxBytes = 256 << 20;

    public required Dictionary<string, int> Vocabulary { get; init; }
    /// <summary>Pairs in order of rank.</summary>
    public required IReadOnlyList<(string Left, string Right)> Merges { get; init; }
    /// <summary>Whether a word that is a token is taken whole, without merging (Llama 3).</summary>
    public bool IgnoreMerges { get; init; }
    public required IReadOnlyList<AddedToken> Added { get; init; }
    /// <summary>How spaces are written where the vocabulary has characters (it was converted from SentencePiece); null where it has bytes.</summary>
    public SpaceMarking? Spaces { get; init; }
    /// <summary>Whether a character without a token becomes the tokens of its bytes.</summary>
    public bool ByteFallback { get; init; }
    /// <summary>Token of what no other stands for, or null.</summary>
    public int? Unknown { get; init; }
    public bool FuseUnknown { get; init; }
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
            throw new FormatException($"the model type is {type}; BPE is supported, and SentencePiece models as tokenizer.model.");
        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (Member(model, name, JsonValueKind.String) is { } affix && affix.GetString() is { Length: > 0 } text)
                throw new FormatException($"{name} '{text}' is not supported.");
        }
        Dictionary<string, int> vocabulary = ReadVocabulary(Member(model, "vocab", JsonValueKind.Object) ?? throw new FormatException("the model has no \"vocab\"."));
        SpaceMarking? spaces = SpaceMarkingReader.Read(root);
        if (spaces is null) RequireBytes(vocabulary);
        (List<Regex> splits, bool prefix) = spaces is null ? ReadSplits(root) : ([], false);
        string? unknown = Member(model, "unk_token", JsonValueKind.String)?.GetString();
        return new HuggingFaceTokenizerFile
        {
            Vocabulary = vocabulary,
            Merges = ReadMerges(Member(model, "merges", JsonValueKind.Array) ?? throw new FormatException("the model has no \"merges\".")),
            IgnoreMerges = Flag(model, "ignore_merges"),
            Added = ReadAdded(root),
            Compose = spaces is null && ReadNormalizer(root),
            AddPrefixSpace = prefix,
            Splits = splits,
            First = ReadFirst(root),
            Spaces = spaces,
            ByteFallback = Flag(model, "byte_fallback"),
            FuseUnknown = Flag(model, "fuse_unk"),
            Unknown = unknown is null ? null : vocabulary.TryGetValue(unknown, out int id) ? id : throw new FormatException($"the unk_token '{unknown}' is not in the vocabulary."),
        };
    }

    /// <summary>The merges by id, in order of rank.</summary>
    /// <exception cref="InvalidDataException">One has a token that is not in the vocabulary.</exception>
    public IEnumerable<(int Left, int Right, int Id)> MergedIds(string path)
    {
        foreach ((string left, string right) in Merges)
        {
            if (!Vocabulary.TryGetValue(left, out int leftId) || !Vocabulary.TryGetValue(right, out int rightId) || !Vocabulary.TryGetValue(left + right, out int id))
                throw new InvalidDataException($"'{path}': the merge of '{left}' and '{right}' is not in the vocabulary.");
            yield return (leftId, rightId, id);
        }
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
        return vocabulary;
    }

    // Control characters, and what begins no assigned character, may be missing: SmolLM2 never saw some of them.
    private static void RequireBytes(Dictionary<string, int> vocabulary)
    {
        for (int b = 0; b < 256; b++)
        {
            if (b is '\t' or '\n' or >= 0x20 and < 0x7F or >= 0x80 and < 0xC0 or >= 0xC2 and <= 0xF0 && !vocabulary.ContainsKey(ByteAlphabet.Character(b).ToString()))
                throw new FormatException($"the vocabulary has no token for byte 0x{b:X2} ('{ByteAlphabet.Character(b)}'), so it is not byte-level BPE.");
        }
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

    private static List<AddedToken> ReadAdded(JsonElement root)
    {
        var added = new List<AddedToken>();
        if (Member(root, "added_tokens", JsonValueKind.Array) is not { } list) return added;
        foreach (JsonElement token in list.EnumerateArray())
        {
            if (Member(token, "content", JsonValueKind.String)?.GetString() is not { Length: > 0 } text) throw new FormatException("an added token has no content.");
            added.Add(new(text, Id(token.TryGetProperty("id", out JsonElement id) ? id : throw new FormatException($"the added token '{text}' has no id."), text), Flag(token, "special"), Flag(token, "lstrip"), Flag(token, "rstrip")));
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
    internal static IEnumerable<JsonElement> Steps(JsonElement root, string name, string list)
    {
        if (Member(root, name, JsonValueKind.Object) is not { } step) return [];
        if (Kind(step) != "Sequence") return [step];
        return Member(step, list, JsonValueKind.Array) is { } steps ? [.. steps.EnumerateArray()] : throw new FormatException($"the {name} is a Sequence without {list}.");
    }

    private static int Id(JsonElement element, string token) => element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int id) && id >= 0 && id < int.MaxValue
        ? id
        : throw new FormatException($"the id of '{token}' is {element.GetRawText()}.");

    internal static JsonElement? Member(JsonElement element, string name, JsonValueKind kind) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == kind ? value : null;

    internal static bool Flag(JsonElement element, string name, bool otherwise = false) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) ? value.ValueKind == JsonValueKind.True : otherwise;

    internal static string? Kind(JsonElement element) => Member(element, "type", JsonValueKind.String)?.GetString();
}
