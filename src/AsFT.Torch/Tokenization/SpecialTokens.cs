using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>What the JSON files beside a tokenizer say about its special tokens.</summary>
internal sealed class SpecialTokens
{
    private readonly string _folder;
    private readonly Dictionary<string, AddedToken> _added = new(StringComparer.Ordinal);
    private readonly List<(string File, string Token)> _bos = [], _eos = [], _pad = [];
    private readonly List<(string File, int Id)> _bosIds = [], _eosIds = [], _padIds = [];

    /// <summary>Added tokens.</summary>
    public IReadOnlyCollection<AddedToken> Added => _added.Values;

    /// <summary><c>add_bos_token</c> of tokenizer_config.json, or null.</summary>
    public bool? AddBos { get; private set; }

    /// <summary>Rows of the model's embedding (<c>vocab_size</c> of config.json); null where the folder has no model.</summary>
    public int? EmbeddingRows { get; private set; }

    private SpecialTokens(string folder) => _folder = folder;

    /// <summary>Reads those of tokenizer_config.json, special_tokens_map.json, added_tokens.json, generation_config.json and config.json that exist.</summary>
    /// <exception cref="InvalidDataException">One of them is damaged.</exception>
    public static SpecialTokens Read(string folder)
    {
        var result = new SpecialTokens(folder);
        result.ReadFile("tokenizer_config.json", (root, path) =>
        {
            if (root.TryGetProperty("add_bos_token", out JsonElement add) && add.ValueKind is JsonValueKind.True or JsonValueKind.False)
                result.AddBos = add.GetBoolean();
            if (new ConfigObject(root, path).Object("added_tokens_decoder") is { } added)
            {
                foreach (JsonProperty entry in added.Properties())
                {
                    if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id == int.MaxValue)
                        throw added.Wrong(SafetensorsHeader.Shown(entry.Name), "no id", "a number is wanted");
                    string token = Content(entry.Value) ?? throw added.Wrong(entry.Name, "without content", "an object with the token's text is wanted");
                    result._added[token] = new(token, id, HuggingFaceTokenizerFile.Flag(entry.Value, "special"), HuggingFaceTokenizerFile.Flag(entry.Value, "lstrip"), HuggingFaceTokenizerFile.Flag(entry.Value, "rstrip"));
                }
            }
            result.ReadTokens("tokenizer_config.json", root);
        });
        result.ReadFile("special_tokens_map.json", (root, _) => result.ReadTokens("special_tokens_map.json", root));
        result.ReadFile("added_tokens.json", (root, path) =>
        {
            var tokens = new ConfigObject(root, path);
            foreach (JsonProperty entry in root.EnumerateObject())
                result._added.TryAdd(entry.Name, new(entry.Name, tokens.Token(entry.Name) ?? throw tokens.Wrong(SafetensorsHeader.Shown(entry.Name), "without an id", "a number is wanted"), IsSpecial: true));
        });
        foreach (string file in new[] { "generation_config.json", "config.json" })
        {
            result.ReadFile(file, (root, path) =>
            {
                var config = new ConfigObject(root, path);
                // As in Hugging Face: what generation_config.json says of the end takes the other file's place.
                if (result._eosIds.Count == 0) result._eosIds.AddRange(config.Tokens("eos_token_id").Select(id => (file, id)));
                result._bosIds.AddRange(config.Tokens("bos_token_id").Select(id => (file, id)));
                result._padIds.AddRange(config.Tokens("pad_token_id").Select(id => (file, id)));
                if (file == "config.json") result.EmbeddingRows = config.Size("vocab_size");
            });
        }
        return result;
    }

    /// <summary>BOS: the token by name, else by id, else <paramref name="fallback"/>.</summary>
    /// <exception cref="InvalidDataException">The tokenizer does not have it.</exception>
    public int? Bos(Func<string, int?> find, int vocabulary, int? fallback)
    {
        if (_bos.Count > 0) return Named(_bos[0], find);
        if (_bosIds.Count == 0) return fallback;
        return _bosIds[0].Id < vocabulary ? _bosIds[0].Id : throw Unknown(_bosIds[0], vocabulary);
    }

    /// <summary>Padding token by name, else by id. One that has no embedding pads nothing, and is passed over: nothing else uses it.</summary>
    public int? Pad(Func<string, int?> find, int vocabulary) => _pad.Select(pad => find(pad.Token)).Concat(_padIds.Select(pad => (int?)pad.Id))
        .FirstOrDefault(id => id < Math.Min(vocabulary, EmbeddingRows ?? int.MaxValue));

    /// <summary>
    /// Every token that ends an answer: the tokenizer's own first, then those of generation_config.json or, where it names
    /// none, of config.json. One that the model cannot write ends nothing, and is passed over while another is left.
    /// </summary>
    /// <exception cref="InvalidDataException">The tokenizer does not have the one it names, or the model can write none.</exception>
    public IReadOnlyList<int> Eos(Func<string, int?> find, int vocabulary, int? fallback)
    {
        int limit = Math.Min(vocabulary, EmbeddingRows ?? int.MaxValue);
        (string File, int Id)[] named = [.. _eos.Select(eos => (eos.File, Named(eos, find))), .. _eosIds];
        int[] ids = [.. named.Select(eos => eos.Id).Where(id => id < limit).Distinct()];
        if (ids.Length > 0) return ids;
        if (named.Length > 0) throw Unknown(named[0], limit);
        return fallback is { } id && id < limit ? [id] : [];
    }

    /// <summary>Tokens that the tokenizer's own files name as its beginning and end: special, however the vocabulary lists them.</summary>
    public IEnumerable<int> OfTokenizer(Func<string, int?> find) => _bos.Concat(_eos).Select(token => find(token.Token)).OfType<int>();

    /// <summary>Makes sure that the model has an embedding for every token that text can become.</summary>
    /// <param name="greatest">The greatest such id.</param>
    /// <exception cref="InvalidDataException">It has none.</exception>
    public void RequireEmbedding(int greatest)
    {
        if (greatest >= EmbeddingRows)
            throw new InvalidDataException($"The tokenizer in '{_folder}' makes tokens up to {greatest} of texts, but config.json's vocab_size is {EmbeddingRows}; they do not belong together.");
    }

    private int Named((string File, string Token) token, Func<string, int?> find) => find(token.Token)
        ?? throw new InvalidDataException($"'{Path.Combine(_folder, token.File)}' names the special token '{SafetensorsHeader.Shown(token.Token)}', which the tokenizer's vocabulary does not have.");

    private InvalidDataException Unknown((string File, int Id) token, int vocabulary) =>
        new($"'{Path.Combine(_folder, token.File)}' names the special token {token.Id}, but the vocabulary has the tokens 0 to {vocabulary - 1}.");

    private void ReadTokens(string file, JsonElement root)
    {
        foreach ((string name, List<(string, string)> tokens) in new[] { ("bos_token", _bos), ("eos_token", _eos), ("pad_token", _pad) })
        {
            if (root.TryGetProperty(name, out JsonElement value) && Content(value) is { Length: > 0 } token) tokens.Add((file, token));
        }
    }

    private static string? Content(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Object when value.TryGetProperty("content", out JsonElement content) && content.ValueKind == JsonValueKind.String => content.GetString(),
        _ => null,
    };

    private void ReadFile(string file, Action<JsonElement, string> read)
    {
        string path = Path.Combine(_folder, file);
        if (!File.Exists(path)) return;
        using JsonDocument document = JsonInput.Open(path);
        read(document.RootElement, path);
    }
}
