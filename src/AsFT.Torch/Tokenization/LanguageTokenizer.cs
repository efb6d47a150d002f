using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>A model's tokenizer, read from its folder. Every member may be called from several threads.</summary>
public abstract class LanguageTokenizer
{
    /// <summary>
    /// Reads <c>tokenizer.json</c> or <c>tokenizer.model</c>, and the special tokens of <c>tokenizer_config.json</c>,
    /// <c>special_tokens_map.json</c>, <c>generation_config.json</c> and <c>config.json</c>. Where both tokenizer files exist,
    /// <c>tokenizer.model</c> is read: it is what such a <c>tokenizer.json</c> was converted from.
    /// </summary>
    /// <param name="folder">Model folder.</param>
    /// <exception cref="InvalidDataException">No tokenizer file is there, or one is damaged or of an unsupported kind.</exception>
    public static LanguageTokenizer Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string sentencePiece = Path.Combine(folder, "tokenizer.model");
        string huggingFace = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(sentencePiece) && !File.Exists(huggingFace))
        {
            throw new InvalidDataException(
                $"No tokenizer in {folder}: looked for tokenizer.model (SentencePiece) and tokenizer.json (Hugging Face byte-level BPE)"
                + (Directory.Exists(folder) ? "." : "; the folder does not exist." + HubName.Advice(folder)));
        }
        SpecialTokens special = SpecialTokens.Read(folder);
        if (File.Exists(sentencePiece) && !(File.Exists(huggingFace) && !StartsLikeSentencePiece(sentencePiece))) return new SentencePieceLanguageTokenizer(sentencePiece, special);
        return new HuggingFaceLanguageTokenizer(huggingFace, special);
    }

    // Llama 3 repositories call a tiktoken list "tokenizer.model"; a SentencePiece model starts with its first piece, field 1 of its message.
    private static bool StartsLikeSentencePiece(string path)
    {
        using FileStream stream = InputFile.Open(path, bufferSize: 0);
        Span<byte> start = stackalloc byte[(int)Math.Min(stream.Length, ForeignContent.Looked)];
        stream.ReadExactly(start);
        // An incomplete download is not to be passed over because another file is there.
        if (ForeignContent.Recognize(start) is { } foreign) throw new InvalidDataException($"'{path}' {foreign}.");
        return start[0] == 0x0A;
    }

    /// <summary>Number of token ids, added tokens included: the greatest id plus one. A model may have more rows than this, never fewer.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Token that begins a text, or null.</summary>
    public abstract int? BosId { get; }

    /// <summary>Tokens that end an answer; the first is the one training appends. Empty if no file names one.</summary>
    public abstract IReadOnlyList<int> EosIds { get; }

    /// <summary>Padding token; when the model has none, the first EOS or 0: padding is always masked, so the choice never shows.</summary>
    public abstract int PadId { get; }

    /// <summary>Whether the tokenizer's config asks for BOS before a text.</summary>
    public abstract bool AddBos { get; }

    /// <summary>Encodes user text. Special tokens are never produced from it, and neither BOS nor EOS is added.</summary>
    /// <param name="text">Any text; half a surrogate pair counts as U+FFFD.</param>
    /// <returns>Token ids in [0, <see cref="VocabularySize"/>).</returns>
    public abstract IReadOnlyList<int> Encode(string text);

    /// <summary>Encodes one whole text and tells where each token ends.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ends">
    /// Per token, the number of characters of <paramref name="text"/> that it and all before it cover: never falls, and the last is the length
    /// of the text. Tokens of one character that has no token of its own share its end; a token that stands for no character
    /// (SentencePiece's leading space) has the end before it.
    /// </param>
    public abstract IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends);

    /// <summary>Encodes a text that may stand behind tokens of a template: some tokenizers write a space before the first text alone.</summary>
    internal virtual IReadOnlyList<int> Encode(string text, bool isStart, out IReadOnlyList<int> ends) => Encode(text, out ends);

    /// <summary>Text of tokens; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Token ids in [0, <see cref="VocabularySize"/>).</param>
    /// <param name="skipSpecialTokens">Leaves out BOS, EOS and other special tokens; otherwise their names are written.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is no token.</exception>
    public abstract string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true);

    /// <summary>Id of a special token by its text, such as <c>&lt;|eot_id|&gt;</c>; null if the tokenizer has none of this name.</summary>
    /// <param name="token">Text of the token.</param>
    public virtual int? FindSpecialToken(string token) => null;

    /// <summary>The tokens that a template may write and text never becomes.</summary>
    internal virtual IReadOnlyList<AddedToken> AllSpecialTokens => [];
}
