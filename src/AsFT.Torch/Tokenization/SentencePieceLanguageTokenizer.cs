using System.Text;
using AsFT.Torch.Input;
using Microsoft.ML.Tokenizers;

namespace AsFT.Torch.Tokenization;

/// <summary>Tokenizer of a SentencePiece <c>tokenizer.model</c> (BPE or unigram).</summary>
internal sealed class SentencePieceLanguageTokenizer : LanguageTokenizer
{
    private readonly SentencePieceModel _model;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly SentencePieceBpe? _bpe;
    private readonly SentencePieceTokenizer? _unigram;
    private readonly int[] _byteIds;
    private readonly Dictionary<string, int> _specialIds = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _addedTexts = [];
    private readonly HashSet<int> _hidden = [];

    public SentencePieceLanguageTokenizer(string path, SpecialTokens special)
    {
        _model = SentencePieceModel.Read(path);
        try
        {
            _normalizer = new SentencePieceNormalizer(_model);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"{path} is not a readable SentencePiece model: {e.Message}.", e);
        }
        _byteIds = new int[_model.ByteFallback ? 256 : 0];
        for (int id = 0; id < _model.Pieces.Count; id++)
        {
            Piece piece = _model.Pieces[id];
            if (piece.Type is PieceType.Control or PieceType.Unknown)
            {
                _specialIds.Add(piece.Text, id);
                if (piece.Type == PieceType.Control) _hidden.Add(id);
            }
            else if (piece.Type == PieceType.Byte && _byteIds.Length > 0)
            {
                _byteIds[Convert.ToInt32(piece.Text[3..5], 16)] = id;
            }
        }
        VocabularySize = Math.Max(_model.Pieces.Count, special.Added.Select(t => t.Id + 1).DefaultIfEmpty().Max());
        foreach ((string text, int id, bool isSpecial, _, _) in special.Added)
        {
            if (id >= _model.Pieces.Count) _addedTexts[id] = text;
            if (!isSpecial) continue;
            _specialIds[text] = id;
            if (id != _model.UnknownId) _hidden.Add(id);
        }
        var named = special.Added.ToDictionary(token => token.Text, StringComparer.Ordinal);
        AllSpecialTokens = [.. _specialIds.Select(token => named.GetValueOrDefault(token.Key) ?? new AddedToken(token.Key, token.Value, IsSpecial: true))];
        _bpe = _model.Kind == SegmentationKind.Bpe ? new SentencePieceBpe(_model, _specialIds.Keys.ToHashSet(StringComparer.Ordinal)) : null;
        if (_bpe is null) _unigram = OpenUnigram(path);

        BosId = special.Bos(FindToken, VocabularySize, Control(_model.BosId));
        EosIds = special.Eos(FindToken, VocabularySize, Control(_model.EosId));
        PadId = special.Pad(FindToken, VocabularySize) ?? Control(_model.PadId) ?? (EosIds.Count > 0 ? EosIds[0] : 0);
        AddBos = BosId is not null && (special.AddBos ?? true);
        special.RequireEmbedding(Enumerable.Range(0, _model.Pieces.Count).Where(id => _model.Pieces[id].Type is not (PieceType.Control or PieceType.Unused)).Append(AddBos ? BosId!.Value : 0).Max());
    }

    public override int VocabularySize { get; }
    public override int? BosId { get; }
    public override IReadOnlyList<int> EosIds { get; }
    public override int PadId { get; }
    public override bool AddBos { get; }
    internal override IReadOnlyList<AddedToken> AllSpecialTokens { get; }

    public override int? FindSpecialToken(string token) => _specialIds.TryGetValue(token, out int id) ? id : null;

    public override IReadOnlyList<int> Encode(string text) => Encode(text, out _);

    public override IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends)
    {
        ArgumentNullException.ThrowIfNull(text);
        NormalizedText normalized = _normalizer.Normalize(text);
        var ids = new List<int>(normalized.Text.Length);
        var tokenEnds = new List<int>(normalized.Text.Length);
        ends = tokenEnds;
        if (normalized.Text.Length == 0) return ids;
        Span<byte> utf8 = stackalloc byte[4];
        bool lastUnknown = false;
        foreach (TokenSpan token in _bpe?.Encode(normalized.Text) ?? EncodeUnigram(normalized.Text))
        {
            int end = normalized.Ends[token.End - 1];
            bool unknown = token.Id < 0 || token.Id == _model.UnknownId;
            if (!unknown)
            {
                ids.Add(token.Id);
                tokenEnds.Add(end);
            }
            else if (_byteIds.Length == 0)
            {
                if (lastUnknown) tokenEnds[^1] = end; // SentencePiece joins neighbouring unknown characters
                else
                {
                    ids.Add(_model.UnknownId);
                    tokenEnds.Add(end);
                }
            }
            else
            {
                int at = token.Start;
                foreach (Rune rune in normalized.Text.AsSpan(token.Start, token.Length).EnumerateRunes())
                {
                    at += rune.Utf16SequenceLength;
                    int count = rune.EncodeToUtf8(utf8);
                    foreach (byte b in utf8[..count])
                    {
                        ids.Add(_byteIds[b]);
                        tokenEnds.Add(normalized.Ends[at - 1]);
                    }
                }
            }
            lastUnknown = unknown;
        }
        return ids;
    }

    public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new List<byte>();
        bool first = _model.AddDummyPrefix || _model.RemoveExtraWhitespaces;
        foreach (int id in ids)
        {
            if (id < 0 || id >= VocabularySize) throw new ArgumentOutOfRangeException(nameof(ids), id, $"The tokenizer has {VocabularySize} tokens.");
            if (skipSpecialTokens && _hidden.Contains(id)) continue;
            if (_addedTexts.TryGetValue(id, out string? added))
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(added));
            }
            else if (id < _model.Pieces.Count)
            {
                Piece piece = _model.Pieces[id];
                if (piece.Type == PieceType.Byte && _byteIds.Length > 0)
                {
                    bytes.Add(Convert.ToByte(piece.Text[3..5], 16));
                }
                else
                {
                    string text = piece.Type == PieceType.Unknown ? _model.UnknownSurface : piece.Text.Replace(SentencePieceNormalizer.VisibleSpace, ' ');
                    if (first && !_model.TreatWhitespaceAsSuffix && piece.Type == PieceType.Normal && text[0] == ' ') text = text[1..];
                    bytes.AddRange(Encoding.UTF8.GetBytes(text));
                }
                if (piece.Type is PieceType.Control) continue;
            }
            first = false;
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    // The package's unigram search is right once the text is normalised; its constructor rejects damaged models in many ways of its own.
    private static SentencePieceTokenizer OpenUnigram(string path)
    {
        try
        {
            using FileStream stream = InputFile.Open(path);
            return SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
        }
        catch (Exception e) when (e is not (UnauthorizedAccessException or OutOfMemoryException)) // protobuf's own exception is an IOException
        {
            throw new InvalidDataException($"{path} is not a readable SentencePiece model: {e.Message}", e);
        }
    }

    private List<TokenSpan> EncodeUnigram(string text) => [.. _unigram!
        .EncodeToTokens(text, out _, addBeginningOfSentence: false, addEndOfSentence: false, considerPreTokenization: true, considerNormalization: false)
        .Select(t => new TokenSpan(t.Id, t.Offset.Start.Value, t.Offset.End.Value - t.Offset.Start.Value))];

    private int? FindToken(string token)
    {
        if (_specialIds.TryGetValue(token, out int id)) return id;
        for (int i = 0; i < _model.Pieces.Count; i++)
        {
            if (_model.Pieces[i].Text == token) return i;
        }
        return null;
    }

    private int? Control(int id) => id >= 0 && id < _model.Pieces.Count && _model.Pieces[id].Type == PieceType.Control ? id : null;
}
