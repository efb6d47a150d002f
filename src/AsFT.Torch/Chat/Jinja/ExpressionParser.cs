using System.Globalization;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Reads expressions, by the precedence that Jinja gives its operators.</summary>
internal sealed class ExpressionParser(TokenReader tokens)
{
    private int _depth;

    /// <summary>Names that were read, for macros to know what their bodies ask for.</summary>
    public HashSet<string> Names { get; } = [];

    public Expression Expression(bool hasChoice = true) => hasChoice ? ReadChoice() : ReadOr();

    /// <summary>One expression, or several with commas between them as a tuple.</summary>
    public Expression Tuple(bool hasChoice = true, bool isInBrackets = false)
    {
        var line = tokens.Current.Line;
        var items = new List<Expression>();
        var isTuple = false;
        while (!IsTupleEnd())
        {
            items.Add(Expression(hasChoice));
            if (!tokens.Skip(TokenKind.Operator, ",")) break;
            isTuple = true;
        }
        if (!isTuple && items.Count == 1) return items[0];
        if (items.Count == 0 && !isInBrackets) throw tokens.Unexpected("an expression");
        return Checked(new SequenceLiteral([.. items], IsTuple: true, line), [.. items]);

        bool IsTupleEnd() => tokens.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || tokens.Current.Is(TokenKind.Operator, ")") || tokens.Current.Is(TokenKind.Name, "in") && items.Count > 0;
    }

    /// <summary>Filters without the value before them, as in <c>{% filter upper %}</c>.</summary>
    public Filtered Filter(Expression? target)
    {
        var line = tokens.Current.Line;
        var name = tokens.Name();
        while (tokens.Skip(TokenKind.Operator, ".")) name = $"{name}.{tokens.Name()}";
        if (!Filters.All.ContainsKey(name)) throw new JinjaException($"No filter named '{name}'.", line);
        var list = tokens.Current.Is(TokenKind.Operator, "(") ? ArgumentList() : Jinja.ArgumentList.Empty;
        return Checked(new Filtered(target, name, list, line), [target, .. Parts(list)]);
    }

    /// <summary>A call, as in <c>{% call name(…) %}</c>.</summary>
    public Call Call() => ReadUnary() as Call ?? throw tokens.Unexpected("a call");

    private Expression ReadChoice()
    {
        var value = ReadOr();
        while (tokens.Current.Is(TokenKind.Name, "if"))
        {
            var line = tokens.Next().Line;
            var condition = ReadOr();
            Expression? otherwise = null;
            if (tokens.Skip(TokenKind.Name, "else"))
            {
                Enter();
                otherwise = ReadChoice();
                _depth--;
            }
            value = Checked(new Choice(condition, value, otherwise, line), condition, value, otherwise);
        }
        return value;
    }

    private Expression ReadOr() => ReadBinary(ReadAnd, TokenKind.Name, "or");

    private Expression ReadAnd() => ReadBinary(ReadNot, TokenKind.Name, "and");

    private Expression ReadNot()
    {
        if (!tokens.Current.Is(TokenKind.Name, "not")) return ReadComparison();
        var line = tokens.Next().Line;
        Enter();
        var operand = ReadNot();
        _depth--;
        return Checked(new Unary("not", operand, line), operand);
    }

    private Expression ReadComparison()
    {
        var (first, line) = (ReadSum(), tokens.Current.Line);
        var others = new List<(string, Expression)>();
        while (true)
        {
            string symbol;
            if (tokens.Current is { Kind: TokenKind.Operator, Value: "==" or "!=" or "<" or "<=" or ">" or ">=" }) symbol = tokens.Next().Value;
            else if (tokens.Skip(TokenKind.Name, "in")) symbol = "in";
            else if (tokens.Current.Is(TokenKind.Name, "not") && tokens.Peek().Is(TokenKind.Name, "in"))
            {
                tokens.Next();
                tokens.Next();
                symbol = "not in";
            }
            else break;
            others.Add((symbol, ReadSum()));
        }
        return others.Count == 0 ? first : Checked(new Comparison(first, [.. others], line), [first, .. others.Select(other => other.Item2)]);
    }

    private Expression ReadSum() => ReadBinary(ReadConcat, TokenKind.Operator, "+", "-");

    private Expression ReadConcat() => ReadBinary(ReadProduct, TokenKind.Operator, "~");

    private Expression ReadProduct() => ReadBinary(ReadPower, TokenKind.Operator, "*", "/", "//", "%");

    private Expression ReadPower() => ReadBinary(() => ReadUnary(), TokenKind.Operator, "**");

    private Expression ReadBinary(Func<Expression> operand, TokenKind kind, params string[] symbols)
    {
        var left = operand();
        while (tokens.Current.Kind == kind && symbols.Contains(tokens.Current.Value))
        {
            var symbol = tokens.Next();
            var right = operand();
            left = Checked(new Binary(symbol.Value, left, right, symbol.Line), left, right);
        }
        return left;
    }

    private Expression ReadUnary(bool hasFilters = true)
    {
        Enter();
        Expression value;
        if (tokens.Current is { Kind: TokenKind.Operator, Value: "-" or "+" })
        {
            var symbol = tokens.Next();
            var operand = ReadUnary(hasFilters: false);
            value = Checked(new Unary(symbol.Value, operand, symbol.Line), operand);
        }
        else
        {
            value = ReadPrimary();
        }
        value = ReadPostfix(value);
        if (hasFilters) value = ReadFilters(value);
        _depth--;
        return value;
    }

    private Expression ReadPrimary()
    {
        var token = tokens.Next();
        switch (token.Kind)
        {
            case TokenKind.Name when token.Value is "true" or "True":
                return new Constant(true, token.Line);
            case TokenKind.Name when token.Value is "false" or "False":
                return new Constant(false, token.Line);
            case TokenKind.Name when token.Value is "none" or "None":
                return new Constant(null, token.Line);
            case TokenKind.Name:
                Names.Add(token.Value);
                return new Variable(token.Value, token.Line);
            case TokenKind.Text:
                var text = token.Value;
                while (tokens.Current.Kind == TokenKind.Text) text += tokens.Next().Value;
                return new Constant(new SourcedText(text), token.Line);
            case TokenKind.Integer:
                return new Constant(long.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var whole) ? whole
                    : throw new JinjaException($"the number {token.Value} does not fit into 64 bits", token.Line), token.Line);
            case TokenKind.Float:
                return new Constant(double.Parse(token.Value, CultureInfo.InvariantCulture), token.Line);
            case TokenKind.Operator when token.Value == "(":
                var inner = Tuple(isInBrackets: true);
                tokens.Expect(TokenKind.Operator, ")");
                return inner;
            case TokenKind.Operator when token.Value == "[":
                var items = Items("]", () => Expression());
                return Checked(new SequenceLiteral(items, IsTuple: false, token.Line), items);
            case TokenKind.Operator when token.Value == "{":
                var entries = Items("}", () =>
                {
                    var key = Expression();
                    tokens.Expect(TokenKind.Operator, ":");
                    return (Key: key, Value: Expression());
                });
                return Checked(new MappingLiteral(entries, token.Line), [.. entries.SelectMany(entry => new[] { entry.Key, entry.Value })]);
            default:
                throw new JinjaException($"unexpected {Described(token)}", token.Line);
        }
    }

    private T[] Items<T>(string end, Func<T> read)
    {
        var items = new List<T>();
        while (!tokens.Skip(TokenKind.Operator, end))
        {
            if (items.Count > 0)
            {
                tokens.Expect(TokenKind.Operator, ",");
                if (tokens.Skip(TokenKind.Operator, end)) break;
            }
            items.Add(read());
        }
        return [.. items];
    }

    private Expression ReadPostfix(Expression value)
    {
        while (true)
        {
            var line = tokens.Current.Line;
            if (tokens.Skip(TokenKind.Operator, "."))
            {
                var token = tokens.Next();
                value = token.Kind switch
                {
                    TokenKind.Name => Checked(new Attribute(value, token.Value, line), value),
                    TokenKind.Integer => Checked(new Item(value, new Constant(long.Parse(token.Value, CultureInfo.InvariantCulture), line), line), value),
                    _ => throw new JinjaException($"a name or a number is wanted after '.', not {Described(token)}", line),
                };
            }
            else if (tokens.Skip(TokenKind.Operator, "[")) value = ReadSubscript(value, line);
            else if (tokens.Current.Is(TokenKind.Operator, "(")) value = ReadCall(value);
            else return value;
        }
    }

    private Expression ReadFilters(Expression value)
    {
        while (true)
        {
            if (tokens.Skip(TokenKind.Operator, "|")) value = Filter(value);
            else if (tokens.Current.Is(TokenKind.Name, "is")) value = ReadTest(value);
            else if (tokens.Current.Is(TokenKind.Operator, "(")) value = ReadCall(value);
            else return value;
        }
    }

    private Call ReadCall(Expression target)
    {
        var line = tokens.Current.Line;
        var list = ArgumentList();
        return Checked(new Call(target, list, line), [target, .. Parts(list)]);
    }

    private Expression ReadSubscript(Expression value, int line)
    {
        if (tokens.Skip(TokenKind.Operator, "]")) throw new JinjaException("[] wants an entry", line);
        Expression? start = tokens.Current.Is(TokenKind.Operator, ":") ? null : Tuple();
        if (tokens.Skip(TokenKind.Operator, "]")) return Checked(new Item(value, start!, line), value, start);
        tokens.Expect(TokenKind.Operator, ":");
        var stop = Bound();
        var step = tokens.Skip(TokenKind.Operator, ":") ? Bound() : null;
        tokens.Expect(TokenKind.Operator, "]");
        return Checked(new SliceOf(value, start, stop, step, line), value, start, stop, step);

        Expression? Bound() => tokens.Current is { Kind: TokenKind.Operator, Value: ":" or "]" } ? null : Expression();
    }

    private Expression ReadTest(Expression value)
    {
        var line = tokens.Next().Line;
        var isNegated = tokens.Skip(TokenKind.Name, "not");
        var name = tokens.Current is { Kind: TokenKind.Operator, Value: "==" or "!=" or "<" or "<=" or ">" or ">=" } ? tokens.Next().Value : tokens.Name();
        if (!Tests.All.ContainsKey(name)) throw new JinjaException($"No test named '{name}'.", line);
        var list = Jinja.ArgumentList.Empty;
        if (tokens.Current.Is(TokenKind.Operator, "("))
        {
            list = ArgumentList();
        }
        else if (tokens.Current is { Kind: TokenKind.Name, Value: not ("else" or "or" or "and" or "is" or "not" or "in" or "if" or "recursive") }
            or { Kind: TokenKind.Text or TokenKind.Integer or TokenKind.Float } or { Kind: TokenKind.Operator, Value: "[" or "{" })
        {
            list = new([ReadPostfix(ReadPrimary())], [], null, null);
        }
        if (tokens.Current.Is(TokenKind.Name, "is")) throw new JinjaException("You cannot chain multiple tests with is", line);
        Expression tested = Checked(new Tested(value, name, list, line), [value, .. Parts(list)]);
        return isNegated ? Checked(new Unary("not", tested, line), tested) : tested;
    }

    private ArgumentList ArgumentList()
    {
        tokens.Expect(TokenKind.Operator, "(");
        var (positional, named) = (new List<Expression>(), new List<(string, Expression)>());
        Expression? spread = null, spreadNamed = null;
        Items(")", () =>
        {
            var line = tokens.Current.Line;
            if (tokens.Skip(TokenKind.Operator, "**")) spreadNamed = spreadNamed is null ? Expression() : throw new JinjaException("a call takes ** once", line);
            else if (tokens.Skip(TokenKind.Operator, "*")) spread = spread is null ? Expression() : throw new JinjaException("a call takes * once", line);
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Peek().Is(TokenKind.Operator, "="))
            {
                var name = tokens.Name();
                tokens.Next();
                named.Add((name, Expression()));
            }
            else if (named.Count == 0 && spreadNamed is null && spread is null) positional.Add(Expression());
            else throw new JinjaException("an argument without a name stands before those with one", line);
            return 0;
        });
        return new([.. positional], [.. named], spread, spreadNamed);
    }

    private static IEnumerable<Expression?> Parts(ArgumentList list) => [.. list.Positional, .. list.Named.Select(argument => argument.Value), list.Spread, list.SpreadNamed];

    private static T Checked<T>(T made, params IEnumerable<Expression?> parts) where T : Expression
    {
        made.Height = 1 + parts.Append(null).Max(part => part?.Height ?? 0);
        return made.Height <= 2 * JinjaLimits.Depth ? made : throw new JinjaException($"an expression has more than {2 * JinjaLimits.Depth} parts within one another", made.Line);
    }

    private void Enter()
    {
        if (++_depth > JinjaLimits.Depth) throw new JinjaException($"expressions lie more than {JinjaLimits.Depth} deep in one another", tokens.Current.Line);
    }

    public static string Described(Token token) => token.Kind switch
    {
        TokenKind.End => "end of the template",
        TokenKind.Data => "text",
        _ => $"'{token.Value}'",
    };
}
