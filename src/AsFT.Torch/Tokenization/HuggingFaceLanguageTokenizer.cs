using System.Text;

namespace AsFT.Torch.Tokenization;

/// <summary>Tokenizer of a Hugging Face <c>tokenizer.json</c> with byte-pair encoding: byte-level (GPT-2, Llama 3, Qwen) or converted from SentencePiece (Llama 2, Mistral, Gemma).</summary>
/// <remarks>
/// Added tokens are found in the text as it is, before anything is normalised, as in Hugging Face; the special ones only where a template writes them.
/// Merging is ours: Microsoft.ML.Tokenizers has no <c>ignore_merges</c> and no byte fallback, takes n² steps in one long word, and its expressions take halves of characters apart.
/// </remarks>
internal sealed class HuggingFaceLanguageTokenizer : LanguageTokenizer
{
    private readonly HuggingFaceTokenizerFile _file;
    private readonly ITextPieces _pieces;
    private readonly UserDefinedSymbols _added;
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _specialIds = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _addedTexts = [];
    private readonly HashSet<int> _hidden = [];
    private readonly HashSet<int> _known;

    public HuggingFaceLanguageTokenizer(string path, SpecialTokens special)
    {
        _file = HuggingFaceTokenizerFile.Read(path);
        var added = _file.Added.Concat(special.Added).DistinctBy(token => token.Text, StringComparer.Ordinal).ToArray();
        foreach (AddedToken token in added)
        {
            _addedTexts[token.Id] = token.Text;
            (token.IsSpecial ? _specialIds : _addedIds)[token.Text] = token.Id;
            if (token.IsSpecial) _hidden.Add(token.Id);
        }
        _known = [.. _file.Vocabulary.Values, .. _addedTexts.Keys];
        VocabularySize = _known.Max() + 1;
        AllSpecialTokens = [.. added.Where(token => token.IsSpecial)];
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
        // Text must not merge to a special token.
        var merges = new BpeMerges(_file.MergedIds(path).Where(merge => !_hidden.Contains(merge.Id)));
        _pieces = _file.Spaces is { } spaces ? new CharacterPieces(_file, spaces, merges, _hidden) : new ByteLevelPieces(_file, new WordSplitter(_file.Splits, path), merges, _hidden);
    }

    public override int VocabularySize { get; }
    public override int? BosId { get; }
    public override IReadOnlyList<int> EosIds { get; }
    public override int PadId { get; }
    public override bool AddBos { get; }
    internal override IReadOnlyList<AddedToken> AllSpecialTokens { get; }

    public override int? FindSpecialToken(string token) => _specialIds.TryGetValue(token, out int id) ? id : null;

    public override IReadOnlyList<int> Encode(string text) => Encode(text, out _);

    public override IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends) => Encode(text, isStart: true, out ends);

    internal override IReadOnlyList<int> Encode(string text, bool isStart, out IReadOnlyList<int> ends)
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
            EncodePart(text[from..i], isStart && from == 0, from, ids, tokenEnds);
            i += length;
            ids.Add(_addedIds[text[(i - length)..i]]);
            tokenEnds.Add(i);
            from = i;
        }
        EncodePart(from == 0 ? text : text[from..], isStart && from == 0, from, ids, tokenEnds);
        return ids;
    }

    public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var kept = new List<int>();
        foreach (int id in ids)
        {
            if (id < 0 || id >= VocabularySize) throw new ArgumentOutOfRangeException(nameof(ids), id, $"The tokenizer has {VocabularySize} tokens.");
            // Ids between the tokens, if any, stand for nothing.
            if (_known.Contains(id) && !(skipSpecialTokens && _hidden.Contains(id))) kept.Add(id);
        }
        return _pieces.Decode(kept, id => _addedTexts.GetValueOrDefault(id));
    }

    private void EncodePart(string text, bool isStart, int offset, List<int> ids, List<int> ends)
    {
        if (text.Length > 0) _pieces.Encode(WholeCharacters(text), isStart, offset, ids, ends);
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
}
