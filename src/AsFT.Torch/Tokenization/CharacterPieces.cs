using System.Globalization;
using System.Text;

namespace AsFT.Torch.Tokenization;

/// <summary>
/// Byte-pair encoding over characters, as a <c>tokenizer.json</c> has it that was converted from SentencePiece (Llama 2, Mistral, Gemma, Phi-3):
/// spaces are written ▁, and a character without a token of its own becomes the tokens of its bytes.
/// </summary>
internal sealed class CharacterPieces : ITextPieces
{
    private readonly HuggingFaceTokenizerFile _file;
    private readonly SpaceMarking _spaces;
    private readonly BpeMerges _merges;
    private readonly IReadOnlySet<int> _hidden;
    private readonly int?[] _byteIds = new int?[256];
    private readonly Dictionary<int, byte> _bytes = [];
    private readonly Dictionary<int, string> _texts = [];

    public CharacterPieces(HuggingFaceTokenizerFile file, SpaceMarking spaces, BpeMerges merges, IReadOnlySet<int> hidden)
    {
        (_file, _spaces, _merges, _hidden) = (file, spaces, merges, hidden);
        foreach ((string text, int id) in file.Vocabulary) _texts[id] = text;
        for (int b = 0; b < 256 && file.ByteFallback; b++)
        {
            if (!file.Vocabulary.TryGetValue(string.Create(CultureInfo.InvariantCulture, $"<0x{b:X2}>"), out int id)) continue;
            _byteIds[b] = id;
            _bytes[id] = (byte)b;
        }
    }

    public void Encode(string text, bool isStart, int offset, List<int> ids, List<int> ends)
    {
        (string marked, int[] covered) = _spaces.Mark(text, isStart);
        int start = 0;
        foreach (int end in _spaces.Words(marked))
        {
            int at = start;
            foreach ((int id, int units) in Merge(marked[start..end]))
            {
                at += units;
                ids.Add(id);
                ends.Add(offset + (at == 0 ? 0 : covered[at - 1]));
            }
            start = end;
        }
    }

    public string Decode(IEnumerable<int> ids, Func<int, string?> added)
    {
        var text = new StringBuilder();
        var run = new List<byte>();
        bool isFirst = true;
        foreach (int id in ids)
        {
            if (added(id) is null && _bytes.TryGetValue(id, out byte value))
            {
                run.Add(value);
            }
            else
            {
                Flush();
                string? piece = added(id) ?? _texts.GetValueOrDefault(id);
                text.Append(piece is null ? "" : _spaces.Unmark(piece, isFirst));
            }
            isFirst = false;
        }
        Flush();
        return _spaces.Strip(text.ToString());

        // As in Hugging Face: bytes that are no text are one U+FFFD each.
        void Flush()
        {
            byte[] bytes = [.. run];
            string decoded = Encoding.UTF8.GetString(bytes);
            bool isText = decoded.Length == 0 || Encoding.UTF8.GetBytes(decoded).AsSpan().SequenceEqual(bytes);
            text.Append(isText ? decoded : new string('\uFFFD', bytes.Length));
            run.Clear();
        }
    }

    private List<(int Id, int Units)> Merge(string word)
    {
        if (_file.IgnoreMerges && _file.Vocabulary.TryGetValue(word, out int whole) && !_hidden.Contains(whole)) return [(whole, word.Length)];
        var symbols = new List<(int Id, int Units)>(word.Length);
        Span<byte> bytes = stackalloc byte[4];
        var lookup = _file.Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        bool wasUnknown = false;
        for (int i = 0; i < word.Length;)
        {
            int length = char.IsSurrogatePair(word, i) ? 2 : 1;
            ReadOnlySpan<char> character = word.AsSpan(i, length);
            bool isUnknown = false;
            if (lookup.TryGetValue(character, out int id) && !_hidden.Contains(id))
            {
                symbols.Add((id, length));
            }
            else
            {
                Span<byte> used = bytes[..Encoding.UTF8.GetBytes(character, bytes)];
                if (All(used))
                {
                    for (int b = 0; b < used.Length; b++) symbols.Add((_byteIds[used[b]]!.Value, b == 0 ? length : 0));
                }
                else if (_file.Unknown is { } unknown)
                {
                    isUnknown = true;
                    if (wasUnknown && _file.FuseUnknown) symbols[^1] = (unknown, symbols[^1].Units + length);
                    else symbols.Add((unknown, length));
                }
                else if (symbols.Count > 0)
                {
                    // What no token stands for is left out; its place belongs to the token before it.
                    symbols[^1] = (symbols[^1].Id, symbols[^1].Units + length);
                }
            }
            wasUnknown = isUnknown;
            i += length;
        }
        return _merges.Merge(symbols);
    }

    private bool All(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
            if (_byteIds[b] is null) return false;
        return true;
    }
}
