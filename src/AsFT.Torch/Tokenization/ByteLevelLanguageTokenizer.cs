using System.Text;
using Microsoft.ML.Tokenizers;

namespace AsFT.Torch.Tokenization;

/// <summary>Tokenizer of a Hugging Face <c>tokenizer.json</c> with byte-level BPE (GPT-2, Llama 3, Qwen).</summary>
/// <remarks>
/// Merging is Microsoft.ML.Tokenizers'; normalisation, words and offsets are done here, because the package has no <c>ignore_merges</c>, its
/// expressions take halves of characters apart and its offsets do not cover them.
/// </remarks>
internal sealed class ByteLevelLanguageTokenizer : LanguageTokenizer
{
    private readonly HuggingFaceTokenizerFile _file;
    private readonly WordSplitter _words;
    private readonly BpeTokenizer _bpe;
    private readonly UserDefinedSymbols _added;
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _specialIds = new(StringComparer.Ordinal);
    private readonly HashSet<int> _hidden = [];
    private readonly Dictionary<int, byte[]> _bytes = [];

    public ByteLevelLanguageTokenizer(string path, SpecialTokens special)
    {
        _file = HuggingFaceTokenizerFile.Read(path);
        _words = new WordSplitter(_file.Splits, path);
        foreach ((string text, int id) in _file.Vocabulary) _bytes[id] = BytesOf(text);
        var added = new Dictionary<string, (int Id, bool Special)>(StringComparer.Ordinal);
        foreach ((string text, int id, bool isSpecial) in _file.Added) added[text] = (id, isSpecial);
        foreach ((string text, (int id, bool isSpecial)) in special.Added) added.TryAdd(text, (id, isSpecial));
        foreach ((string text, (int id, bool isSpecial)) in added)
        {
            _bytes[id] = Encoding.UTF8.GetBytes(text);
            (isSpecial ? _specialIds : _addedIds)[text] = id;
            if (isSpecial) _hidden.Add(id);
        }
        VocabularySize = _bytes.Keys.Max() + 1;
        _added = new UserDefinedSymbols(_addedIds.Keys);
        int? first = _file.First is { } name ? Find(name) : null;
        BosId = special.Bos(Find, VocabularySize, first);
        EosIds = special.Eos(Find, VocabularySize, null);
        PadId = special.Pad(Find, VocabularySize) ?? (EosIds.Count > 0 ? EosIds[0] : 0);
        // What a model's config calls its end stays text where the tokenizer has it as text.
        _hidden.UnionWith(special.OfTokenizer(Find));
        if (first is { } beginning) _hidden.Add(beginning);
        AddBos = BosId is not null && (special.AddBos ?? first is not null);
        special.RequireEmbedding(_file.Vocabulary.Values.Concat(_addedIds.Values).Where(id => !_hidden.Contains(id)).Append(AddBos ? BosId!.Value : 0).Max());
        _bpe = Open(path);
    }

    public override int VocabularySize { get; }
    public override int? BosId { get; }
    public override IReadOnlyList<int> EosIds { get; }
    public override int PadId { get; }
    public override bool AddBos { get; }

    public override int? FindSpecialToken(string token) => _specialIds.TryGetValue(token, out int id) ? id : null;

    public override IReadOnlyList<int> Encode(string text) => Encode(text, out _);

    public override IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 2);
        var tokenEnds = new List<int>(text.Length / 2);
        ends = tokenEnds;
        int from = 0;
        for (int i = 0; i < text.Length && _addedIds.Count > 0;)
        {
            int length = _added.MatchAt(text, i);
            if (length == 0)
            {
                i++;
                continue;
            }
            EncodePart(text[from..i], from, ids, tokenEnds);
            i += length;
            ids.Add(_addedIds[text[(i - length)..i]]);
            tokenEnds.Add(i);
            from = i;
        }
        EncodePart(from == 0 ? text : text[from..], from, ids, tokenEnds);
        return ids;
    }

    public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new List<byte>();
        foreach (int id in ids)
        {
            if (id < 0 || id >= VocabularySize) throw new ArgumentOutOfRangeException(nameof(ids), id, $"The tokenizer has {VocabularySize} tokens.");
            if (skipSpecialTokens && _hidden.Contains(id)) continue;
            if (_bytes.TryGetValue(id, out byte[]? token)) bytes.AddRange(token); // ids between the tokens, if any, stand for nothing
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    private void EncodePart(string text, int offset, List<int> ids, List<int> ends)
    {
        if (text.Length == 0) return;
        text = WholeCharacters(text);
        NormalizedText normalized = _file.Compose ? CanonicalComposition.Normalize(text) : new NormalizedText(text, []);
        string prefixed = _file.AddPrefixSpace && !char.IsWhiteSpace(normalized.Text[0]) ? " " + normalized.Text : normalized.Text;
        int prefix = prefixed.Length - normalized.Text.Length;
        foreach ((int start, int length) in _words.Split(prefixed))
            EncodeWord(prefixed.Substring(start, length), start - prefix, normalized.Ends, offset, ids, ends);
    }

    private void EncodeWord(string word, int start, int[] normalizedEnds, int offset, List<int> ids, List<int> ends)
    {
        // Per byte, the number of characters of the word up to and including its own.
        byte[] bytes = Encoding.UTF8.GetBytes(word);
        var characters = new int[bytes.Length];
        int at = 0, read = 0;
        foreach (Rune rune in word.EnumerateRunes())
        {
            read += rune.Utf16SequenceLength;
            for (int i = 0; i < rune.Utf8SequenceLength; i++) characters[at++] = read;
        }

        int covered = 0;
        foreach ((int id, int count) in Merge(word, bytes))
        {
            covered += count;
            int end = start + characters[covered - 1]; // characters of the normalised text; 0 for a prefixed space
            ids.Add(id);
            ends.Add(offset + (normalizedEnds.Length == 0 || end == 0 ? end : normalizedEnds[end - 1]));
        }
    }

    private IEnumerable<(int Id, int Bytes)> Merge(string word, byte[] bytes)
    {
        if (_file.IgnoreMerges)
        {
            string whole = string.Create(bytes.Length, bytes, static (span, source) =>
            {
                for (int i = 0; i < span.Length; i++) span[i] = ByteAlphabet.Character(source[i]);
            });
            if (_file.Vocabulary.TryGetValue(whole, out int id) && !_hidden.Contains(id)) return [(id, bytes.Length)];
        }
        return _bpe.EncodeToTokens(word, out _, considerPreTokenization: false, considerNormalization: false).Select(t => (t.Id, t.Value.Length));
    }

    private BpeTokenizer Open(string path)
    {
        var merges = new List<string>(_file.Merges.Count);
        foreach ((string left, string right) in _file.Merges)
        {
            if (!_file.Vocabulary.ContainsKey(left) || !_file.Vocabulary.ContainsKey(right) || !_file.Vocabulary.TryGetValue(left + right, out int id))
                throw new InvalidDataException($"{path}: the merge of '{left}' and '{right}' is not in the vocabulary.");
            if (!_hidden.Contains(id)) merges.Add($"{left} {right}"); // text must not merge to a special token
        }
        try
        {
            return BpeTokenizer.Create(new BpeOptions(_file.Vocabulary) { Merges = merges, ByteLevel = true });
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private int? Find(string token) => _specialIds.TryGetValue(token, out int id) || _addedIds.TryGetValue(token, out id) || _file.Vocabulary.TryGetValue(token, out id) ? id : null;

    // Half a surrogate pair has no UTF-8 form; U+FFFD stands for it and keeps the length.
    private static string WholeCharacters(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')) return text;
        var whole = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes()) whole.Append(rune.ToString());
        return whole.ToString();
    }

    // A token that is not written in the byte alphabet stands for its own text.
    private static byte[] BytesOf(string token)
    {
        var bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            if (!ByteAlphabet.TryByte(token[i], out bytes[i])) return Encoding.UTF8.GetBytes(token);
        }
        return bytes;
    }
}
