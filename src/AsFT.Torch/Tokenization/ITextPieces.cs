namespace AsFT.Torch.Tokenization;

/// <summary>How text without added tokens becomes pieces of a vocabulary, and back.</summary>
internal interface ITextPieces
{
    /// <summary>Encodes a text.</summary>
    /// <param name="text">Whole characters, at least one.</param>
    /// <param name="isStart">Whether nothing stands before it.</param>
    /// <param name="offset">Added to every end.</param>
    /// <param name="ids">Gets the tokens.</param>
    /// <param name="ends">Gets, per token, how many characters it and those before it cover.</param>
    void Encode(string text, bool isStart, int offset, List<int> ids, List<int> ends);

    /// <summary>Text of tokens.</summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="added">The text of an added token; null for any other.</param>
    string Decode(IEnumerable<int> ids, Func<int, string?> added);
}
