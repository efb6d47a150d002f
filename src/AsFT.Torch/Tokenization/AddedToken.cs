namespace AsFT.Torch.Tokenization;

/// <summary>A token that stands beside the vocabulary.</summary>
/// <param name="Text">What it stands for.</param>
/// <param name="Id">Its id.</param>
/// <param name="IsSpecial">Whether only a template may write it: text of a user never becomes it.</param>
/// <param name="StripsLeft">Whether it takes along the white space before it.</param>
/// <param name="StripsRight">Whether it takes along the white space behind it.</param>
internal sealed record AddedToken(string Text, int Id, bool IsSpecial, bool StripsLeft = false, bool StripsRight = false);
