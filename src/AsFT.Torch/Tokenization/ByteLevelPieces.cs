using System.Text;

namespace AsFT.Torch.Tokenization;

/// <summary>Byte-pair encoding over the bytes of words (GPT-2, Llama 3, Qwen).</summary>
internal sealed class ByteLevelPieces : ITextPieces
{
    private readonly HuggingFaceTokenizerFile _file;
    private readonly WordSplitter _words;
    private readonly BpeMerges _merges;
    private readonly IReadOnlySet<int> _hidden;
    // −1: a byte without a token, which few vocabularies have and no common text.
    private readonly int[] _byteIds;
    private readonly Dictionary<int, byte[]> _bytes = [];

    public ByteLevelPieces(HuggingFaceTokenizerFile file, WordSplitter words, BpeMerges merges, IReadOnlySet<int> hidden)
    {
        (_file, _words, _merges, _hidden) = (file, words, merges, hidden);
        _byteIds = [.. Enumerable.Range(0, 256).Select(b => file.Vocabulary.GetValueOrDefault(ByteAlphabet.Character(b).ToString(), -1))];
        foreach ((string text, int id) in file.Vocabulary) _bytes[id] = BytesOf(text);
    }

    public void Encode(string text, bool isStart, int offset, List<int> ids, List<int> ends)
    {
        NormalizedText normalized = _file.Compose ? CanonicalComposition.Normalize(text) : new NormalizedText(text, []);
        string prefixed = _file.AddPrefixSpace && !char.IsWhiteSpace(normalized.Text[0]) ? " " + normalized.Text : normalized.Text;
        int prefix = prefixed.Length - normalized.Text.Length;
        foreach ((int start, int length) in _words.Split(prefixed))
            EncodeWord(prefixed.Substring(start, length), start - prefix, normalized.Ends, offset, ids, ends);
        // A last word of which nothing is left.
        if (ends.Count > 0) ends[^1] = offset + text.Length;
    }

    public string Decode(IEnumerable<int> ids, Func<int, string?> added)
    {
        var bytes = new List<byte>();
        foreach (int id in ids) bytes.AddRange(added(id) is { } text ? Encoding.UTF8.GetBytes(text) : _bytes[id]);
        return Encoding.UTF8.GetString([.. bytes]);
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
        foreach ((int id, int count) in Merge(bytes))
        {
            covered += count;
            int end = start + characters[covered - 1]; // characters of the normalised text; 0 for a prefixed space
            ids.Add(id);
            ends.Add(offset + (normalizedEnds.Length == 0 || end == 0 ? end : normalizedEnds[end - 1]));
        }
    }

    private List<(int Id, int Units)> Merge(byte[] bytes)
    {
        if (_file.IgnoreMerges)
        {
            string whole = string.Create(bytes.Length, bytes, static (span, source) =>
            {
                for (int i = 0; i < span.Length; i++) span[i] = ByteAlphabet.Character(source[i]);
            });
            if (_file.Vocabulary.TryGetValue(whole, out int id) && !_hidden.Contains(id)) return [(id, bytes.Length)];
        }
        var symbols = new List<(int Id, int Units)>(bytes.Length);
        int left = 0;
        foreach (byte b in bytes)
        {
            // As in Hugging Face, what has no token is left out. Its place goes to the token before it, or to the first.
            if (_byteIds[b] >= 0)
            {
                symbols.Add((_byteIds[b], 1 + left));
                left = 0;
            }
            else if (symbols.Count > 0) symbols[^1] = (symbols[^1].Id, symbols[^1].Units + 1);
            else left++;
        }
        return _merges.Merge(symbols);
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
