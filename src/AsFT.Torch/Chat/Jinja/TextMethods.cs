using System.Buffers;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Methods of Python's texts.</summary>
internal static class TextMethods
{
    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029");

    /// <summary>The method of that name bound to a text; null: there is none.</summary>
    public static Callable? Find(SourcedText text, string name) => name switch
    {
        "strip" => Callable.Method(name, 0, 1, a => Strip(text, Characters(a[0]))),
        "lstrip" => Callable.Method(name, 0, 1, a => Strip(text, Characters(a[0]), isEnd: false)),
        "rstrip" => Callable.Method(name, 0, 1, a => Strip(text, Characters(a[0]), isStart: false)),
        "upper" => Callable.Method(name, 0, 0, _ => text.With(text.Value.ToUpperInvariant())),
        "lower" or "casefold" => Callable.Method(name, 0, 0, _ => text.With(text.Value.ToLowerInvariant())),
        "title" => Callable.Method(name, 0, 0, _ => Title(text)),
        "capitalize" => Callable.Method(name, 0, 0, _ => Capitalize(text)),
        "startswith" => Callable.Method(name, 1, 1, a => Any(a[0], part => text.Value.StartsWith(part, StringComparison.Ordinal))),
        "endswith" => Callable.Method(name, 1, 1, a => Any(a[0], part => text.Value.EndsWith(part, StringComparison.Ordinal))),
        "split" => new Callable(name, a => Split(text, a.Bind("sep", "maxsplit"))),
        "rsplit" => new Callable(name, a => SplitFromEnd(text, a.Bind("sep", "maxsplit"))),
        "splitlines" => Callable.Method(name, 0, 1, a => Lines(text, Operators.IsTrue(Arguments.Or(a[0], false)))),
        "replace" => Callable.Method(name, 2, 3, a => Replace(text, Text(a[0]), Text(a[1]), Operators.Integer(Arguments.Or(a[2], -1L)))),
        "join" => Callable.Method(name, 1, 1, a => Join(text, Access.Iterate(a[0]).Select(Text))),
        "find" => Callable.Method(name, 1, 1, a => Find(text, Text(a[0]).Value, isLast: false)),
        "rfind" => Callable.Method(name, 1, 1, a => Find(text, Text(a[0]).Value, isLast: true)),
        "index" => Callable.Method(name, 1, 1, a => Find(text, Text(a[0]).Value, isLast: false) is >= 0 and var place ? place : throw new JinjaException("substring not found")),
        "count" => Callable.Method(name, 1, 1, a => Count(text.Value, Text(a[0]).Value)),
        "removeprefix" => Callable.Method(name, 1, 1, a => text.Value.StartsWith(Text(a[0]).Value, StringComparison.Ordinal) ? text.Slice(Text(a[0]).Value.Length..) : text),
        "removesuffix" => Callable.Method(name, 1, 1, a => text.Value.EndsWith(Text(a[0]).Value, StringComparison.Ordinal) ? text.Slice(..^Text(a[0]).Value.Length) : text),
        "partition" => Callable.Method(name, 1, 1, a => Partition(text, Text(a[0]), isLast: false)),
        "rpartition" => Callable.Method(name, 1, 1, a => Partition(text, Text(a[0]), isLast: true)),
        "isdigit" => Callable.Method(name, 0, 0, _ => text.Value.Length > 0 && text.Value.All(char.IsDigit)),
        "isalpha" => Callable.Method(name, 0, 0, _ => text.Value.Length > 0 && text.Value.All(char.IsLetter)),
        "isalnum" => Callable.Method(name, 0, 0, _ => text.Value.Length > 0 && text.Value.All(char.IsLetterOrDigit)),
        "isspace" => Callable.Method(name, 0, 0, _ => text.Value.Length > 0 && text.Value.All(IsSpace)),
        "isupper" => Callable.Method(name, 0, 0, _ => IsCase(text.Value, char.IsUpper, char.IsLower)),
        "islower" => Callable.Method(name, 0, 0, _ => IsCase(text.Value, char.IsLower, char.IsUpper)),
        "format" => throw new JinjaException("the method 'format' of texts is not known here; use ~ or the filter 'format'"),
        _ => null,
    };

    public static bool IsCase(string text, Func<char, bool> wanted, Func<char, bool> other) => text.Any(wanted) && !text.Any(other);

    public static SourcedText Strip(SourcedText text, string? characters, bool isStart = true, bool isEnd = true)
    {
        bool IsCut(char c) => characters is null ? IsSpace(c) : characters.Contains(c, StringComparison.Ordinal);
        var (start, end) = (0, text.Value.Length);
        while (isStart && start < end && IsCut(text.Value[start])) start++;
        while (isEnd && end > start && IsCut(text.Value[end - 1])) end--;
        return text.Slice(start..end);
    }

    public static SourcedText Replace(SourcedText text, SourcedText old, SourcedText with, long count)
    {
        if (count == 0) return text;
        var parts = new List<SourcedText>();
        var done = 0L;
        if (old.Value.Length == 0)
        {
            foreach (var character in text.Characters())
            {
                if (count < 0 || done++ < count) parts.Add(with);
                parts.Add(character);
            }
            if (count < 0 || done < count) parts.Add(with);
            return SourcedText.Concat(parts);
        }
        var i = 0;
        for (int found; (count < 0 || done < count) && (found = text.Value.IndexOf(old.Value, i, StringComparison.Ordinal)) >= 0; done++)
        {
            parts.AddRange([text.Slice(i..found), with]);
            i = found + old.Value.Length;
        }
        parts.Add(text.Slice(i..));
        return SourcedText.Concat(parts);
    }

    public static SourcedText Join(SourcedText separator, IEnumerable<SourcedText> items)
    {
        var parts = new List<SourcedText>();
        foreach (var item in items)
        {
            if (parts.Count > 0) parts.Add(separator);
            parts.Add(item);
        }
        return SourcedText.Concat(parts);
    }

    public static SourcedText Capitalize(SourcedText text) =>
        text.Value.Length == 0 ? text : text.With(text.Value[..1].ToUpperInvariant() + text.Value[1..].ToLowerInvariant());

    public static Sequence Lines(SourcedText text, bool keepsEnds = false)
    {
        var lines = new List<object?>();
        for (var i = 0; i < text.Value.Length;)
        {
            var end = text.Value.AsSpan(i).IndexOfAny(LineEnds) is >= 0 and var place ? i + place : text.Value.Length;
            var next = Math.Min(text.Value.Length, end + (end + 1 < text.Value.Length && text.Value[end] == '\r' && text.Value[end + 1] == '\n' ? 2 : 1));
            lines.Add(text.Slice(i..(keepsEnds ? next : end)));
            i = next;
        }
        return new(lines);
    }

    // Python's white space: .NET's and the four separators of files, groups, records and units.
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    public static SourcedText Text(object? value) => value switch
    {
        SourcedText text => text,
        Undefined missing => throw new JinjaException(missing.Message),
        _ => throw new JinjaException($"a text is wanted, not {Operators.TypeName(value)}"),
    };

    private static string? Characters(object? value) => Arguments.Or(value, null) is { } given ? Text(given).Value : null;

    private static bool Any(object? value, Func<string, bool> holds) => value is Sequence { IsTuple: true } tuple ? tuple.Any(part => holds(Text(part).Value)) : holds(Text(value).Value);

    private static Sequence Split(SourcedText text, object?[] arguments)
    {
        var (most, separator) = (Operators.Integer(Arguments.Or(arguments[1], -1L)), Arguments.Or(arguments[0], null));
        if (most < 0) most = long.MaxValue;
        var parts = new List<object?>();
        var i = 0;
        if (separator is null)
        {
            while (true)
            {
                while (i < text.Value.Length && IsSpace(text.Value[i])) i++;
                if (i == text.Value.Length) return new(parts);
                if (parts.Count >= most)
                {
                    // What is left keeps its inner white space, and as in Python its end, too.
                    parts.Add(text.Slice(i..));
                    return new(parts);
                }
                var start = i;
                while (i < text.Value.Length && !IsSpace(text.Value[i])) i++;
                parts.Add(text.Slice(start..i));
            }
        }
        var by = Text(separator).Value;
        if (by.Length == 0) throw new JinjaException("empty separator");
        for (int found; parts.Count < most && (found = text.Value.IndexOf(by, i, StringComparison.Ordinal)) >= 0; i = found + by.Length) parts.Add(text.Slice(i..found));
        parts.Add(text.Slice(i..));
        return new(parts);
    }

    private static Sequence SplitFromEnd(SourcedText text, object?[] arguments)
    {
        var most = Operators.Integer(Arguments.Or(arguments[1], -1L));
        if (most < 0) return Split(text, arguments);
        if (Arguments.Or(arguments[0], null) is not { } separator) throw new JinjaException("rsplit with a number of splits but no separator is not known here");
        var by = Text(separator).Value;
        if (by.Length == 0) throw new JinjaException("empty separator");
        var parts = new List<object?>();
        var end = text.Value.Length;
        while (parts.Count < most && end >= by.Length && text.Value.LastIndexOf(by, end - 1, end, StringComparison.Ordinal) is >= 0 and var found)
        {
            parts.Insert(0, text.Slice((found + by.Length)..end));
            end = found;
        }
        parts.Insert(0, text.Slice(..end));
        return new(parts);
    }

    private static Sequence Partition(SourcedText text, SourcedText separator, bool isLast)
    {
        if (separator.Value.Length == 0) throw new JinjaException("empty separator");
        var place = isLast ? text.Value.LastIndexOf(separator.Value, StringComparison.Ordinal) : text.Value.IndexOf(separator.Value, StringComparison.Ordinal);
        if (place >= 0) return new([text.Slice(..place), separator, text.Slice((place + separator.Value.Length)..)], isTuple: true);
        return new(isLast ? [SourcedText.Empty, SourcedText.Empty, text] : [text, SourcedText.Empty, SourcedText.Empty], isTuple: true);
    }

    private static long Find(SourcedText text, string part, bool isLast)
    {
        var place = isLast ? text.Value.LastIndexOf(part, StringComparison.Ordinal) : text.Value.IndexOf(part, StringComparison.Ordinal);
        return place <= 0 ? place : text.Slice(..place).Count;
    }

    private static long Count(string text, string part)
    {
        if (part.Length == 0) return new SourcedText(text).Count + 1;
        var count = 0L;
        for (var i = 0; (i = text.IndexOf(part, i, StringComparison.Ordinal)) >= 0; i += part.Length) count++;
        return count;
    }

    private static SourcedText Title(SourcedText text)
    {
        var characters = text.Value.ToCharArray();
        for (var i = 0; i < characters.Length; i++)
            characters[i] = i > 0 && char.IsLetter(characters[i - 1]) ? char.ToLowerInvariant(characters[i]) : char.ToUpperInvariant(characters[i]);
        return text.With(new string(characters));
    }
}
