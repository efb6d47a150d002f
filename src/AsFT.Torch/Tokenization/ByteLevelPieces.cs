using System.Text;

namespace AsFT.Torch.Tokenization;

/// <summary>Byte-pair encoding over the bytes of words (GPT-2, Llama 3, Qwen): every text has tokens.</summary>
internal sealed class ByteLevelPieces : ITextPieces
{
    private readonly HuggingFaceTokenizerFile _file;
    private readonly WordSplitter _words;
    private readonly BpeMerges _merges;
    private readonly IReadOnlySet<int> _hidden;
    private readonly int[] _byteIds;
    private readonly Dictionary<int, byte[]> _bytes = [];

    public ByteLevelPieces(HuggingFaceTokenizerFile file, WordSplitter words, BpeMerges merges, IReadOnlySet<int> hidden)
    {
        (_file, _words, _merges, _hidden) = (file, words, merges, hidden);
        _byteIds = [.. Enumerable.Range(0, 256).Select(b => file.Vocabulary[ByteAlphabet.Character(b).ToString()])];
        foreach ((string text, int id) in file.Vocabulary) _bytes[id] = BytesOf(text);
    }

    public void Encode(string text, bool isStart, int offset, List<int> ids, List<int> ends)
    {
        NormalizedText normalized = _file.Compose ? CanonicalComposition.Normalize(text) : new NormalizedText(text, []);
        string prefixed = _file.AddPrefixSpace && !char.IsWhiteSpace(normalized.Text[0]) ? " " + normalized.Text : normalized.Text;
        int prefix = prefixed.Length - normalized.Text.Length;
        foreach ((int start, int length) in _words.Split(prefixed))
            EncodeWord(prefixed.Substring(start, length), start - prefix, normalized.Ends, offset, ids, ends);
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
        return _merges.Merge([.. bytes.Select(b => (_byteIds[b], 1))]);
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
