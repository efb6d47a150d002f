namespace AsFT.Torch.Chat.Jinja;

/// <summary>Goes through a template's tokens.</summary>
internal sealed class TokenReader(IReadOnlyList<Token> tokens)
{
    private int _place;

    public Token Current => tokens[_place];

    public Token Peek() => tokens[Math.Min(_place + 1, tokens.Count - 1)];

    public Token Next()
    {
        var token = Current;
        if (_place < tokens.Count - 1) _place++;
        return token;
    }

    public bool Skip(TokenKind kind, string value)
    {
        if (!Current.Is(kind, value)) return false;
        Next();
        return true;
    }

    public void Expect(TokenKind kind, string value)
    {
        if (!Skip(kind, value)) throw Unexpected($"'{value}'");
    }

    public string Name() => Current.Kind == TokenKind.Name ? Next().Value : throw Unexpected("a name");

    public JinjaException Unexpected(string wanted) => new($"{wanted} is wanted, not {ExpressionParser.Described(Current)}", Current.Line);
}
