using System.Text.Json;
using static AsFT.Torch.Tokenization.HuggingFaceTokenizerFile;

namespace AsFT.Torch.Tokenization;

/// <summary>Reads how a converted SentencePiece tokenizer writes spaces. What is not known is refused by name.</summary>
internal static class SpaceMarkingReader
{
    /// <summary>The marking; null: the tokenizer works on bytes.</summary>
    /// <exception cref="FormatException">A step is not known here.</exception>
    public static SpaceMarking? Read(JsonElement root)
    {
        JsonElement model = Member(root, "model", JsonValueKind.Object)!.Value;
        JsonElement[] words = [.. Steps(root, "pre_tokenizer", "pretokenizers")];
        if (!Flag(model, "byte_fallback") && !words.Any(step => Kind(step) == "Metaspace") && !Steps(root, "normalizer", "normalizers").Any(step => Kind(step) == "Replace" && Text(step, "content") == "▁")) return null;
        SpaceMarking marking = ReadNormalizer(root, new SpaceMarking());
        foreach (JsonElement step in words) marking = ReadWords(step, marking);
        return ReadDecoder(root, marking);
    }

    private static SpaceMarking ReadNormalizer(JsonElement root, SpaceMarking marking)
    {
        foreach (JsonElement step in Steps(root, "normalizer", "normalizers"))
        {
            marking = Kind(step) switch
            {
                "Prepend" => marking with { Prefix = Required(step, "prepend") },
                "Replace" => marking with { Replacements = [.. marking.Replacements, (Pattern(step), Required(step, "content", mayBeEmpty: true))] },
                _ => throw new FormatException($"the normalizer {Kind(step)} is not supported in a tokenizer converted from SentencePiece; Prepend and Replace are."),
            };
        }
        return marking;
    }

    private static SpaceMarking ReadWords(JsonElement step, SpaceMarking marking)
    {
        switch (Kind(step))
        {
            case "Metaspace":
                string mark = Required(step, "replacement");
                if (mark.Length != 1) throw new FormatException($"Metaspace's replacement is '{mark}'; one character is wanted.");
                PrefixScheme scheme = Text(step, "prepend_scheme") switch
                {
                    "always" => PrefixScheme.Always,
                    "first" => PrefixScheme.First,
                    "never" => PrefixScheme.Never,
                    null => Flag(step, "add_prefix_space", otherwise: true) ? PrefixScheme.Always : PrefixScheme.Never,
                    var other => throw new FormatException($"Metaspace's prepend_scheme is '{other}'; always, first or never is wanted."),
                };
                return marking with
                {
                    Prefix = mark,
                    Scheme = scheme,
                    SkipsPresentPrefix = true,
                    Replacements = [.. marking.Replacements, (" ", mark)],
                    Splits = Flag(step, "split", otherwise: true) ? mark[0] : null,
                };
            // Gemma splits at spaces, of which the normalizer has left none.
            case "Split" when marking.Replacements.Any(replacement => replacement.Text == Pattern(step)):
                return marking;
            default:
                throw new FormatException($"the pre-tokenizer {Kind(step)} is not supported in a tokenizer converted from SentencePiece; Metaspace is.");
        }
    }

    private static SpaceMarking ReadDecoder(JsonElement root, SpaceMarking marking)
    {
        foreach (JsonElement step in Steps(root, "decoder", "decoders"))
        {
            switch (Kind(step))
            {
                case "Replace":
                    marking = marking with { Restored = [.. marking.Restored, (Pattern(step), Required(step, "content", mayBeEmpty: true))] };
                    break;
                case "Metaspace":
                    bool drops = Text(step, "prepend_scheme") is { } scheme ? scheme != "never" : Flag(step, "add_prefix_space", otherwise: true);
                    marking = marking with { Restored = [.. marking.Restored, (Required(step, "replacement"), " ")], DropsFirstMark = drops };
                    break;
                case "Strip":
                    if (Text(step, "content") != " " || Number(step, "stop") != 0) throw new FormatException("a decoder Strip that takes more than spaces at the start is not supported.");
                    marking = marking with { Stripped = Number(step, "start") };
                    break;
                case "ByteFallback" or "Fuse":
                    break;
                default:
                    throw new FormatException($"the decoder {Kind(step)} is not supported in a tokenizer converted from SentencePiece; Replace, Metaspace, ByteFallback, Fuse and Strip are.");
            }
        }
        return marking;
    }

    private static string Pattern(JsonElement step) => Member(step, "pattern", JsonValueKind.Object) is { } pattern && Text(pattern, "String") is { Length: > 0 } text ? text
        : throw new FormatException($"the pattern of {Kind(step)} is no String.");

    private static string Required(JsonElement step, string name, bool mayBeEmpty = false) => Text(step, name) is { } text && (mayBeEmpty || text.Length > 0) ? text
        : throw new FormatException($"{Kind(step)} has no {name}.");

    private static string? Text(JsonElement step, string name) => Member(step, name, JsonValueKind.String)?.GetString();

    private static int Number(JsonElement step, string name) => Member(step, name, JsonValueKind.Number) is { } number && number.TryGetInt32(out int value) && value >= 0 ? value
        : throw new FormatException($"{Kind(step)} has no {name}.");
}
