namespace AsFT.Torch.Chat.Jinja;

/// <summary>Reads a template's statements. A tag that is not known is refused by its name and line.</summary>
internal sealed class StatementParser
{
    private readonly TokenReader _tokens;
    private readonly ExpressionParser _expressions;
    private int _depth, _loops;
    private bool _marksAnswers;

    private StatementParser(IReadOnlyList<Token> tokens)
    {
        _tokens = new(tokens);
        _expressions = new(_tokens);
    }

    /// <summary>Reads a whole template.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="marksAnswers">Whether it has <c>{% generation %}</c>.</param>
    public static Block Read(IReadOnlyList<Token> tokens, out bool marksAnswers)
    {
        var parser = new StatementParser(tokens);
        var block = parser.ReadBlock(null);
        marksAnswers = parser._marksAnswers;
        return block;
    }

    /// <summary>Statements up to one of the tags named; the reader then stands on the tag's name. With none named: to the end.</summary>
    private Block ReadBlock(string? opener, params string[] ends)
    {
        if (++_depth > JinjaLimits.Depth) throw new JinjaException($"blocks lie more than {JinjaLimits.Depth} deep in one another", _tokens.Current.Line);
        var line = _tokens.Current.Line;
        var statements = new List<Statement>();
        while (true)
        {
            var token = _tokens.Next();
            switch (token.Kind)
            {
                case TokenKind.End when opener is null:
                    _depth--;
                    return new([.. statements]);
                case TokenKind.End:
                    throw new JinjaException($"'{opener}' has no end, {{% {ends[^1]} %}}", line);
                case TokenKind.Data:
                    statements.Add(new Print(new Constant(new SourcedText(token.Value), token.Line), token.Line));
                    break;
                case TokenKind.VariableBegin:
                    statements.Add(new Print(_expressions.Tuple(), token.Line));
                    if (_tokens.Next() is { Kind: not TokenKind.VariableEnd } other) throw new JinjaException($"'}}}}' is wanted, not {ExpressionParser.Described(other)}", other.Line);
                    break;
                default:
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Value))
                    {
                        _depth--;
                        return new([.. statements]);
                    }
                    statements.Add(ReadStatement());
                    break;
            }
        }
    }

    private Statement ReadStatement()
    {
        var line = _tokens.Current.Line;
        var name = _tokens.Name();
        switch (name)
        {
            case "if": return ReadIf(line);
            case "for": return ReadFor(line);
            case "set": return ReadSet(line);
            case "macro": return ReadMacro(_tokens.Name(), "macro", line);
            case "call": return ReadCall(line);
            case "with": return ReadWith(line);
            case "filter":
                var filter = _expressions.Filter(null);
                while (_tokens.Skip(TokenKind.Operator, "|")) filter = _expressions.Filter(filter);
                return new FilterBlock(filter, ReadBody("filter", "endfilter"), line);
            case "generation":
                _marksAnswers = true;
                return new GenerationBlock(ReadBody("generation", "endgeneration"), line);
            case "break" or "continue":
                EndTag();
                if (_loops == 0) throw new JinjaException($"'{name}' outside a loop", line);
                return new Jump(name == "break" ? Flow.Break : Flow.Continue, line);
            default:
                throw new JinjaException(name.StartsWith("end", StringComparison.Ordinal) || name is "else" or "elif" ? $"unexpected '{name}'" : $"the tag '{name}' is not known here", line);
        }
    }

    private If ReadIf(int line)
    {
        var branches = new List<(Expression, Block)>();
        while (true)
        {
            var condition = _expressions.Tuple(hasChoice: false);
            EndTag();
            branches.Add((condition, ReadBlock("if", "elif", "else", "endif")));
            switch (_tokens.Name())
            {
                case "elif": continue;
                case "else": return new([.. branches], ReadBody("if", "endif"), line);
                default:
                    EndTag();
                    return new([.. branches], null, line);
            }
        }
    }

    private For ReadFor(int line)
    {
        var target = ReadTarget();
        _tokens.Expect(TokenKind.Name, "in");
        var items = _expressions.Tuple(hasChoice: false);
        var filter = _tokens.Skip(TokenKind.Name, "if") ? _expressions.Expression() : null;
        if (_tokens.Current.Is(TokenKind.Name, "recursive")) throw new JinjaException("'recursive' loops are not known here", line);
        EndTag();
        _loops++;
        var body = ReadBlock("for", "else", "endfor");
        _loops--;
        if (_tokens.Name() == "else") return new(target, items, filter, body, ReadBody("for", "endfor"), line);
        EndTag();
        return new(target, items, filter, body, null, line);
    }

    private Statement ReadSet(int line)
    {
        var target = ReadTarget(hasFields: true);
        if (_tokens.Skip(TokenKind.Operator, "="))
        {
            var value = _expressions.Tuple();
            EndTag();
            return new Set(target, value, line);
        }
        Filtered? filter = null;
        while (_tokens.Skip(TokenKind.Operator, "|")) filter = _expressions.Filter(filter);
        return new SetBlock(target, filter, ReadBody("set", "endset"), line);
    }

    private Macro ReadMacro(string name, string tag, int line)
    {
        var (parameters, defaults) = (new List<string>(), new List<Expression?>());
        if (tag == "macro" || _tokens.Current.Is(TokenKind.Operator, "("))
        {
            _tokens.Expect(TokenKind.Operator, "(");
            while (!_tokens.Skip(TokenKind.Operator, ")"))
            {
                if (parameters.Count > 0) _tokens.Expect(TokenKind.Operator, ",");
                parameters.Add(_tokens.Name());
                if (_tokens.Skip(TokenKind.Operator, "=")) defaults.Add(_expressions.Expression());
                else if (defaults.Count > 0 && defaults[^1] is not null) throw new JinjaException("non-default argument follows default argument", line);
                else defaults.Add(null);
            }
        }
        if (tag == "call") return new(name, [.. parameters], [.. defaults], new([]), false, false, line);
        return WithBody(name, parameters, defaults, tag, line);
    }

    private Macro WithBody(string name, IReadOnlyList<string> parameters, IReadOnlyList<Expression?> defaults, string tag, int line)
    {
        var (outer, loops) = (_expressions.Names.ToArray(), _loops);
        _expressions.Names.Clear();
        _loops = 0;
        var body = ReadBody(tag, $"end{tag}");
        _loops = loops;
        var (takesMore, takesNamed) = (_expressions.Names.Contains("varargs"), _expressions.Names.Contains("kwargs"));
        _expressions.Names.UnionWith(outer);
        return new(name, [.. parameters], [.. defaults], body, takesMore, takesNamed, line);
    }

    private CallBlock ReadCall(int line)
    {
        var head = ReadMacro("caller", "call", line);
        var call = _expressions.Call();
        return new(call, WithBody("caller", head.Parameters, head.Defaults, "call", line), line);
    }

    private With ReadWith(int line)
    {
        var values = new List<(Target, Expression)>();
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0) _tokens.Expect(TokenKind.Operator, ",");
            var target = ReadOneTarget(hasFields: false);
            _tokens.Expect(TokenKind.Operator, "=");
            values.Add((target, _expressions.Expression()));
        }
        return new([.. values], ReadBody("with", "endwith"), line);
    }

    private Target ReadTarget(bool hasFields = false)
    {
        var targets = new List<Target> { ReadOneTarget(hasFields) };
        var isTuple = false;
        while (_tokens.Skip(TokenKind.Operator, ","))
        {
            isTuple = true;
            if (_tokens.Current.Kind is TokenKind.Name && !_tokens.Current.Is(TokenKind.Name, "in") || _tokens.Current.Is(TokenKind.Operator, "(")) targets.Add(ReadOneTarget(hasFields));
            else break;
        }
        return isTuple ? new TupleTarget([.. targets]) : targets[0];
    }

    private Target ReadOneTarget(bool hasFields)
    {
        var line = _tokens.Current.Line;
        if (_tokens.Skip(TokenKind.Operator, "("))
        {
            if (++_depth > JinjaLimits.Depth) throw new JinjaException($"names lie more than {JinjaLimits.Depth} deep in one another", line);
            var inner = ReadTarget(hasFields);
            _depth--;
            _tokens.Expect(TokenKind.Operator, ")");
            return inner;
        }
        var name = _tokens.Name();
        if (name is "true" or "false" or "none" or "True" or "False" or "None") throw new JinjaException($"cannot assign to '{name}'", line);
        return hasFields && _tokens.Skip(TokenKind.Operator, ".") ? new FieldTarget(name, _tokens.Name()) : new NameTarget(name);
    }

    private Block ReadBody(string opener, string end)
    {
        EndTag();
        var body = ReadBlock(opener, end);
        _tokens.Name();
        // {% endmacro name %} may repeat the name.
        if (end is "endmacro" or "endcall" && _tokens.Current.Kind == TokenKind.Name) _tokens.Next();
        EndTag();
        return body;
    }

    private void EndTag()
    {
        if (_tokens.Current.Kind != TokenKind.BlockEnd) throw _tokens.Unexpected("'%}'");
        _tokens.Next();
    }
}
