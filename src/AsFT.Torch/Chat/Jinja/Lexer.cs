using System.Globalization;
using System.Text;

namespace AsFT.Torch.Chat.Jinja;

internal enum TokenKind
{
    /// <summary>Text outside tags.</summary>
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A piece of a template.</summary>
internal readonly record struct Token(TokenKind Kind, string Value, int Line)
{
    public bool Is(TokenKind kind, string value) => Kind == kind && Value == value;
}

/// <summary>Cuts a template into tokens, with Jinja's rules of white space around tags.</summary>
internal sealed class Lexer
{
    // Longer ones first.
    private static readonly string[] Symbols = ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ","];
    private readonly List<Token> _tokens = [];
    private readonly string _source;
    private readonly bool _trimsBlocks, _stripsLines;
    private int _place, _line = 1;
    // Whether the place is the start of a line, or only follows tags that ate one's end.
    private bool _isLineStart = true;

    private Lexer(string source, bool trimsBlocks, bool stripsLines) => (_source, _trimsBlocks, _stripsLines) = (source, trimsBlocks, stripsLines);

    /// <param name="source">The template.</param>
    /// <param name="trimsBlocks">Whether the end of line behind a block tag belongs to it (<c>trim_blocks</c>).</param>
    /// <param name="stripsLines">Whether white space between a line's start and a block tag belongs to it (<c>lstrip_blocks</c>).</param>
    public static IReadOnlyList<Token> Read(string source, bool trimsBlocks, bool stripsLines)
    {
        if (source.Length > JinjaLimits.Source) throw new JinjaException($"the template has {source.Length} characters; at most {JinjaLimits.Source} are read");
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n')) source = source[..^1];
        var lexer = new Lexer(source, trimsBlocks, stripsLines);
        lexer.Read();
        return lexer._tokens;
    }

    private void Read()
    {
        while (_place < _source.Length)
        {
            var tag = NextTag();
            if (tag < 0)
            {
                AddData(_source[_place..]);
                break;
            }
            var kind = _source[tag + 1];
            var sign = tag + 2 < _source.Length ? _source[tag + 2] : '\0';
            AddData(Before(_source[_place..tag], kind, sign));
            var line = _line + Lines(_place, tag);
            Advance(tag + 2);
            if (sign is '-' or '+') Advance(_place + 1);
            if (kind == '#') SkipComment(line);
            else if (kind == '%' && IsRaw()) ReadRaw(line);
            else ReadTag(kind == '{', line);
        }
        _tokens.Add(new(TokenKind.End, "", _line));
    }

    private int NextTag()
    {
        for (var i = _place; (i = _source.IndexOf('{', i)) >= 0 && i + 1 < _source.Length; i++)
            if (_source[i + 1] is '{' or '%' or '#') return i;
        return -1;
    }

    private string Before(string text, char kind, char sign)
    {
        if (sign == '-') return text.AsSpan().TrimEnd(WhiteSpace).ToString();
        if (sign == '+' || kind == '{' || !_stripsLines) return text;
        var start = text.LastIndexOf('\n') + 1;
        return (start > 0 || _isLineStart) && text.AsSpan(start).ContainsAnyExcept(WhiteSpace) is false ? text[..start] : text;
    }

    private static ReadOnlySpan<char> WhiteSpace => " \t\n\v\f\r\u001c\u001d\u001e\u001f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

    private void AddData(string text)
    {
        if (text.Length > 0) _tokens.Add(new(TokenKind.Data, text, _line));
    }

    private void SkipComment(int line)
    {
        var end = _source.IndexOf("#}", _place, StringComparison.Ordinal);
        if (end < 0) throw new JinjaException("a comment has no end, '#}'", line);
        var sign = end > _place ? _source[end - 1] : '\0';
        Advance(end + 2);
        AfterTag(sign, isBlock: true);
    }

    private bool IsRaw()
    {
        var i = _place;
        while (i < _source.Length && char.IsWhiteSpace(_source[i])) i++;
        if (string.CompareOrdinal(_source, i, "raw", 0, 3) != 0) return false;
        i += 3;
        while (i < _source.Length && char.IsWhiteSpace(_source[i])) i++;
        return string.CompareOrdinal(_source, i, "%}", 0, 2) == 0 || string.CompareOrdinal(_source, i, "-%}", 0, 3) == 0;
    }

    private void ReadRaw(int line)
    {
        var open = _source.IndexOf("%}", _place, StringComparison.Ordinal);
        var isStripped = _source[open - 1] == '-';
        Advance(open + 2);
        if (isStripped) SkipWhiteSpace();
        for (var tag = _place; (tag = _source.IndexOf("{%", tag, StringComparison.Ordinal)) >= 0; tag++)
        {
            var i = tag + 2;
            var sign = i < _source.Length ? _source[i] : '\0';
            if (sign is '-' or '+') i++;
            while (i < _source.Length && char.IsWhiteSpace(_source[i])) i++;
            if (string.CompareOrdinal(_source, i, "endraw", 0, 6) != 0) continue;
            i += 6;
            while (i < _source.Length && char.IsWhiteSpace(_source[i])) i++;
            var end = i < _source.Length && _source[i] is '-' or '+' ? _source[i++] : '\0';
            if (string.CompareOrdinal(_source, i, "%}", 0, 2) != 0) continue;
            _isLineStart = false;
            AddData(Before(_source[_place..tag], '%', sign));
            Advance(i + 2);
            AfterTag(end, isBlock: true);
            return;
        }
        throw new JinjaException("'raw' has no end, {% endraw %}", line);
    }

    private void ReadTag(bool isVariable, int line)
    {
        var (begin, end, close) = isVariable ? (TokenKind.VariableBegin, TokenKind.VariableEnd, "}}") : (TokenKind.BlockBegin, TokenKind.BlockEnd, "%}");
        _tokens.Add(new(begin, isVariable ? "{{" : "{%", line));
        var open = new Stack<char>();
        while (true)
        {
            while (_place < _source.Length && char.IsWhiteSpace(_source[_place])) Advance(_place + 1);
            if (_place >= _source.Length) throw new JinjaException($"a tag has no end, '{close}'", line);
            var sign = _source[_place] is '-' or '+' ? _source[_place] : '\0';
            var length = sign == '\0' || isVariable && sign == '+' ? 0 : 1;
            if (open.Count == 0 && string.CompareOrdinal(_source, _place + length, close, 0, 2) == 0)
            {
                _tokens.Add(new(end, close, _line));
                Advance(_place + length + 2);
                AfterTag(length == 0 ? '\0' : sign, isBlock: !isVariable);
                return;
            }
            var token = Expression();
            _tokens.Add(token);
            if (token.Kind != TokenKind.Operator) continue;
            if (token.Value is "(" or "[" or "{")
            {
                open.Push(token.Value[0]);
                if (open.Count > JinjaLimits.Depth) throw new JinjaException($"brackets lie more than {JinjaLimits.Depth} deep in one another", _line);
            }
            else if (token.Value is ")" or "]" or "}")
            {
                if (!open.TryPop(out var bracket) || "([{".IndexOf(bracket, StringComparison.Ordinal) != ")]}".IndexOf(token.Value[0], StringComparison.Ordinal))
                    throw new JinjaException($"unexpected '{token.Value}'", _line);
            }
        }
    }

    private Token Expression()
    {
        var (start, line, first) = (_place, _line, _source[_place]);
        if (first is '\'' or '"') return new(TokenKind.Text, String(first), line);
        if (char.IsAsciiDigit(first)) return Number(start > 0 && _source[start - 1] == '.');
        if (first == '_' || char.IsLetter(first))
        {
            var end = start;
            while (end < _source.Length && (_source[end] == '_' || char.IsLetterOrDigit(_source[end]))) end++;
            Advance(end);
            return new(TokenKind.Name, _source[start..end], line);
        }
        foreach (var symbol in Symbols)
        {
            if (string.CompareOrdinal(_source, start, symbol, 0, symbol.Length) != 0) continue;
            Advance(start + symbol.Length);
            return new(TokenKind.Operator, symbol, line);
        }
        throw new JinjaException($"unexpected character '{first}'", line);
    }

    private Token Number(bool isEntry)
    {
        var (start, line) = (_place, _line);
        var end = Digits(start);
        var isFloat = false;
        if (!isEntry)
        {
            if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1])) (isFloat, end) = (true, Digits(end + 1));
            var exponent = end + 1 < _source.Length && _source[end] is 'e' or 'E' ? end + (_source[end + 1] is '+' or '-' ? 2 : 1) : _source.Length;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent])) (isFloat, end) = (true, Digits(exponent));
        }
        Advance(end);
        var digits = _source[start..end].Replace("_", "", StringComparison.Ordinal);
        return new(isFloat ? TokenKind.Float : TokenKind.Integer, digits, line);
    }

    private int Digits(int i)
    {
        while (i < _source.Length && (char.IsAsciiDigit(_source[i]) || _source[i] == '_' && i + 1 < _source.Length && char.IsAsciiDigit(_source[i + 1]))) i++;
        return i;
    }

    private string String(char quote)
    {
        var line = _line;
        var text = new StringBuilder();
        var i = _place + 1;
        for (; i < _source.Length && _source[i] != quote; i++)
        {
            if (_source[i] != '\\' || i + 1 == _source.Length)
            {
                text.Append(_source[i]);
                continue;
            }
            var kind = _source[++i];
            switch (kind)
            {
                case '\n': break;
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case 'r': text.Append('\r'); break;
                case 'b': text.Append('\b'); break;
                case 'f': text.Append('\f'); break;
                case 'v': text.Append('\v'); break;
                case 'a': text.Append('\a'); break;
                case '\\' or '\'' or '"': text.Append(kind); break;
                case 'x': text.Append((char)Hex(2)); break;
                case 'u': text.Append((char)Hex(4)); break;
                case 'U':
                    var point = Hex(8);
                    text.Append(Rune.IsValid(point) ? new Rune(point).ToString() : throw new JinjaException($"\\U{point:x8} is no character", line));
                    break;
                case >= '0' and <= '7':
                    var octal = kind - '0';
                    for (var more = 0; more < 2 && i + 1 < _source.Length && _source[i + 1] is >= '0' and <= '7'; more++) octal = octal * 8 + _source[++i] - '0';
                    text.Append((char)octal);
                    break;
                case 'N': throw new JinjaException("characters by name, \\N{…}, are not known here", line);
                default: text.Append('\\').Append(kind); break;
            }
        }
        if (i >= _source.Length) throw new JinjaException($"a text has no end, {quote}", line);
        Advance(i + 1);
        return text.ToString();

        int Hex(int digits)
        {
            if (i + digits >= _source.Length || !int.TryParse(_source.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
                throw new JinjaException($"an escape \\{_source[i]} wants {digits} hexadecimal digits", line);
            i += digits;
            return value;
        }
    }

    private void AfterTag(char sign, bool isBlock)
    {
        if (sign == '-') SkipWhiteSpace();
        else if (isBlock && sign != '+' && _trimsBlocks && _place < _source.Length && _source[_place] == '\n') Advance(_place + 1);
        _isLineStart = _place > 0 && _source[_place - 1] == '\n';
    }

    private void SkipWhiteSpace()
    {
        while (_place < _source.Length && WhiteSpace.Contains(_source[_place])) Advance(_place + 1);
    }

    private void Advance(int place)
    {
        _line += Lines(_place, place);
        _place = place;
    }

    private int Lines(int start, int end) => _source.AsSpan(start, Math.Min(end, _source.Length) - start).Count('\n');
}
