namespace AsFT.Torch.Chat;

/// <summary>What a part of a templated conversation is.</summary>
internal enum PartKind
{
    /// <summary>The template's own text.</summary>
    Frame,
    /// <summary>Text of the user, which may be shortened from the left.</summary>
    User,
    /// <summary>The answer: supervised.</summary>
    Response,
    /// <summary>A special token, given by name.</summary>
    Special,
    /// <summary>The token that ends the answer: supervised.</summary>
    End,
}

/// <summary>A piece of a templated conversation. Neighbouring texts are tokenised together.</summary>
internal readonly record struct TemplatePart(PartKind Kind, string Text)
{
    public bool IsToken => Kind is PartKind.Special or PartKind.End;
}
