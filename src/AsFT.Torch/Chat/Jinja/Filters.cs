using System.Globalization;
using System.Text.RegularExpressions;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Jinja's filters, with <c>tojson</c> as transformers has it: plain JSON, nothing escaped for HTML.</summary>
internal static partial class Filters
{
    public static IReadOnlyDictionary<string, Func<object?, Arguments, object?>> All { get; } = new Dictionary<string, Func<object?, Arguments, object?>>
    {
        ["abs"] = (value, a) => Operators.Compare(value, 0L) < 0 ? Operators.Negate(value) : value,
        ["batch"] = (value, a) => Batch(value, a.Bind("linecount", "fill_with")),
        ["capitalize"] = (value, a) => TextMethods.Capitalize(Printing.Str(value)),
        ["count"] = (value, a) => Access.Length(value),
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = (value, a) => DictSort(value, a.Bind("case_sensitive", "by", "reverse")),
        ["e"] = (value, a) => Escape(value),
        ["escape"] = (value, a) => Escape(value),
        ["first"] = (value, a) => Access.Iterate(value).Cast<object?>().Append(new Undefined("No first item, sequence was empty.")).First(),
        ["float"] = (value, a) => Float(value, Arguments.Or(a.Bind("default")[0], 0.0)),
        ["format"] = (value, a) => Formatting.Percent(Printing.Str(value), a.Positional.Count == 1 ? a.Positional[0] : new Sequence(a.Positional, isTuple: true)),
        ["groupby"] = (value, a) => GroupBy(value, a.Bind("attribute", "default", "case_sensitive")),
        ["indent"] = (value, a) => Indent(Printing.Str(value), a.Bind("width", "first", "blank")),
        ["int"] = (value, a) => Int(value, a.Bind("default", "base")),
        ["items"] = (value, a) => value is Undefined ? new Lazy([]) : value is Mapping mapping ? new Lazy(CollectionMethods.Items(mapping).Items) : throw new JinjaException("Can only get item pairs from a mapping."),
        ["join"] = (value, a) => Join(value, a.Bind("d", "attribute")),
        ["last"] = (value, a) => value is Lazy ? throw new JinjaException("'generator' object is not reversible") : Access.Iterate(value).Reverse().Append(new Undefined("No last item, sequence was empty.")).First(),
        ["length"] = (value, a) => Access.Length(value),
        ["list"] = (value, a) => new Sequence(Listed(value)),
        ["lower"] = (value, a) => Printing.Str(value) is var text ? text.With(text.Value.ToLowerInvariant()) : null,
        ["map"] = Map,
        ["max"] = (value, a) => Extreme(value, a.Bind("case_sensitive", "attribute"), isMost: true),
        ["min"] = (value, a) => Extreme(value, a.Bind("case_sensitive", "attribute"), isMost: false),
        ["reject"] = (value, a) => Select(value, a, wanted: false, byAttribute: false),
        ["rejectattr"] = (value, a) => Select(value, a, wanted: false, byAttribute: true),
        ["replace"] = (value, a) => Replace(Printing.Str(value), a.Bind("old", "new", "count")),
        ["reverse"] = (value, a) => value is SourcedText text ? SourcedText.Concat([.. text.Characters().Reverse()]) : new Lazy(Listed(value).Reverse()),
        ["round"] = (value, a) => Round(value, a.Bind("precision", "method")),
        ["safe"] = (value, a) => Printing.Str(value),
        ["select"] = (value, a) => Select(value, a, wanted: true, byAttribute: false),
        ["selectattr"] = (value, a) => Select(value, a, wanted: true, byAttribute: true),
        ["slice"] = (value, a) => Slice(value, a.Bind("slices", "fill_with")),
        ["sort"] = (value, a) => Sort(value, a.Bind("reverse", "case_sensitive", "attribute")),
        ["string"] = (value, a) => Printing.Str(value),
        ["sum"] = (value, a) => a.Bind("attribute", "start") is var given ? Attributes(value, Arguments.Or(given[0], null)).Aggregate(Arguments.Or(given[1], 0L), Operators.Add) : null,
        ["title"] = (value, a) => Title(Printing.Str(value)),
        ["tojson"] = (value, a) => ToJson(value, a),
        ["trim"] = (value, a) => TextMethods.Strip(Printing.Str(value), Arguments.Or(a.Bind("chars")[0], null) is { } characters ? TextMethods.Text(characters).Value : null),
        ["truncate"] = (value, a) => Truncate(Printing.Str(value), a.Bind("length", "killwords", "end", "leeway")),
        ["unique"] = (value, a) => Unique(value, a.Bind("case_sensitive", "attribute")),
        ["upper"] = (value, a) => Printing.Str(value) is var text ? text.With(text.Value.ToUpperInvariant()) : null,
        ["wordcount"] = (value, a) => (long)Words().Count(Printing.Str(value).Value),
    };

    private static object?[] Listed(object? value) => [.. Access.Iterate(value).Take(JinjaLimits.Items + 1)];

    private static object? Default(object? value, Arguments arguments)
    {
        var given = arguments.Bind("default_value", "boolean");
        return value is Undefined || Operators.IsTrue(Arguments.Or(given[1], false)) && !Operators.IsTrue(value) ? Arguments.Or(given[0], SourcedText.Empty) : value;
    }

    // The attribute of each item, by name, by number, or by a path of them: details.priority.
    private static IEnumerable<object?> Attributes(object? value, object? attribute) => Access.Iterate(value).Select(item => AttributeOf(item, attribute));

    private static object? AttributeOf(object? item, object? attribute) => attribute switch
    {
        null => item,
        SourcedText path => path.Value.Split('.').Aggregate(item, (value, part) => Access.Item(value, long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : new SourcedText(part))),
        _ => Access.Item(item, attribute),
    };

    private static object? Folded(object? value, bool isCaseSensitive) => !isCaseSensitive && value is SourcedText text ? text.With(text.Value.ToLowerInvariant()) : value;

    private static Sequence Sort(object? value, object?[] given)
    {
        var (isReverse, isCaseSensitive, attribute) = (Operators.IsTrue(Arguments.Or(given[0], false)), Operators.IsTrue(Arguments.Or(given[1], false)), Arguments.Or(given[2], null));
        var paths = attribute is SourcedText text ? text.Value.Split(',').Select(path => (object?)new SourcedText(path)).ToArray() : [attribute];
        object? Key(object? item) => new Sequence([.. paths.Select(path => Folded(AttributeOf(item, path), isCaseSensitive))]);
        return new(Ordered(Listed(value), Key, isReverse));
    }

    private static object?[] Ordered(object?[] items, Func<object?, object?> key, bool isReverse)
    {
        // Equal ones keep their order, also in reverse. One value needs no order: a list of one None is sorted.
        var order = Comparer<object?>.Create((a, b) => Operators.AreEqual(a, b) ? 0 : Operators.Compare(a, b));
        try
        {
            return [.. isReverse ? items.OrderByDescending(key, order) : items.OrderBy(key, order)];
        }
        catch (InvalidOperationException e) when (e.InnerException is JinjaException cause)
        {
            throw new JinjaException(cause.Message);
        }
    }

    private static Sequence DictSort(object? value, object?[] given)
    {
        if (value is not Mapping mapping) throw new JinjaException($"dictsort wants a dictionary, not {Operators.TypeName(value)}");
        var by = Arguments.Or(given[1], null) is { } named ? TextMethods.Text(named).Value : "key";
        if (by is not ("key" or "value")) throw new JinjaException("You can only sort by either \"key\" or \"value\"");
        var isCaseSensitive = Operators.IsTrue(Arguments.Or(given[0], false));
        object? Key(object? pair) => Folded(((Sequence)pair!).Items[by == "key" ? 0 : 1], isCaseSensitive);
        return new(Ordered([.. CollectionMethods.Items(mapping).Items], Key, Operators.IsTrue(Arguments.Or(given[2], false))));
    }

    private static Lazy Unique(object? value, object?[] given)
    {
        var (isCaseSensitive, attribute) = (Operators.IsTrue(Arguments.Or(given[0], false)), Arguments.Or(given[1], null));
        var seen = new Mapping();
        return new(Access.Iterate(value).Where(item =>
        {
            var key = Folded(AttributeOf(item, attribute), isCaseSensitive);
            if (seen.TryGet(key, out _)) return false;
            seen.Set(key, null);
            return true;
        }));
    }

    private static Sequence GroupBy(object? value, object?[] given)
    {
        var isCaseSensitive = Operators.IsTrue(Arguments.Or(given[2], false));
        object? Key(object? item) => AttributeOf(item, given[0]) is var key && key is Undefined ? Arguments.Or(given[1], key) : key;
        var groups = new List<(object? Key, List<object?> Items)>();
        foreach (var item in Ordered(Listed(value), item => Folded(Key(item), isCaseSensitive), isReverse: false))
        {
            var key = Key(item);
            if (groups.Count == 0 || !Operators.AreEqual(Folded(groups[^1].Key, isCaseSensitive), Folded(key, isCaseSensitive))) groups.Add((key, []));
            groups[^1].Items.Add(item);
        }
        return new([.. groups.Select(group => new Sequence([group.Key, new Sequence(group.Items)], isTuple: true))]);
    }

    private static object? Extreme(object? value, object?[] given, bool isMost)
    {
        var (isCaseSensitive, attribute) = (Operators.IsTrue(Arguments.Or(given[0], false)), Arguments.Or(given[1], null));
        object? best = new Undefined("No aggregated item, sequence was empty.");
        foreach (var item in Access.Iterate(value))
            if (best is Undefined || Operators.Compare(Key(item), Key(best)) is var order && (isMost ? order > 0 : order < 0)) best = item;
        return best;

        object? Key(object? item) => Folded(AttributeOf(item, attribute), isCaseSensitive);
    }

    private static Lazy Map(object? value, Arguments arguments)
    {
        if (arguments.Positional.Count == 0)
        {
            var given = arguments.Bind("attribute", "default");
            if (ReferenceEquals(given[0], Arguments.Missing)) throw new JinjaException("map requires a filter argument");
            return new(Attributes(value, given[0]).Select(item => item is Undefined ? Arguments.Or(given[1], item) : item));
        }
        var name = TextMethods.Text(arguments.Positional[0]).Value;
        if (!All.TryGetValue(name, out var filter)) throw new JinjaException($"No filter named '{name}'.");
        var rest = new Arguments(name, [.. arguments.Positional.Skip(1)], arguments.Named, arguments.Rendering);
        return new(Access.Iterate(value).Select(item => filter(item, rest)));
    }

    private static Lazy Select(object? value, Arguments arguments, bool wanted, bool byAttribute)
    {
        var skipped = byAttribute ? 1 : 0;
        if (arguments.Positional.Count < skipped) throw new JinjaException("Missing parameter for attribute name");
        var name = arguments.Positional.Count > skipped ? TextMethods.Text(arguments.Positional[skipped]).Value : null;
        var test = name is null ? (item, _) => Operators.IsTrue(item) : Tests.All.TryGetValue(name, out var known) ? known : throw new JinjaException($"No test named '{name}'.");
        var rest = new Arguments(name ?? "select", [.. arguments.Positional.Skip(skipped + 1)], arguments.Named, arguments.Rendering);
        return new(Access.Iterate(value).Where(item =>
        {
            arguments.Rendering.Step();
            return test(byAttribute ? AttributeOf(item, arguments.Positional[0]) : item, rest) == wanted;
        }));
    }

    private static SourcedText Join(object? value, object?[] given)
    {
        var separator = Printing.Str(Arguments.Or(given[0], SourcedText.Empty));
        return TextMethods.Join(separator, Attributes(value, Arguments.Or(given[1], null)).Select(Printing.Str));
    }

    private static SourcedText Replace(SourcedText text, object?[] given)
    {
        if (ReferenceEquals(given[1], Arguments.Missing)) throw new JinjaException("replace wants what is replaced and what comes in its place");
        return TextMethods.Replace(text, Printing.Str(given[0]), Printing.Str(given[1]), Arguments.Or(given[2], null) is { } count ? Operators.Integer(count) : -1);
    }

    private static SourcedText Indent(SourcedText text, object?[] given)
    {
        var width = Arguments.Or(given[0], 4L);
        var indention = width is SourcedText written ? written : new SourcedText(new string(' ', (int)Math.Clamp(Operators.Integer(width), 0, JinjaLimits.Text)));
        var (isFirst, isBlank) = (Operators.IsTrue(Arguments.Or(given[1], false)), Operators.IsTrue(Arguments.Or(given[2], false)));
        var newLine = new SourcedText("\n");
        // As in Jinja: the text ends with a line of its own, so that its last end of line stays.
        var lines = TextMethods.Lines(SourcedText.Concat(text, newLine)).Items.Cast<SourcedText>().ToArray();
        var parts = new List<SourcedText>();
        for (var i = 0; i < lines.Length; i++)
        {
            if (i > 0) parts.Add(newLine);
            if (i == 0 ? isFirst : isBlank || lines[i].Value.Length > 0) parts.Add(indention);
            parts.Add(lines[i]);
        }
        return SourcedText.Concat(parts);
    }

    private static SourcedText ToJson(object? value, Arguments arguments)
    {
        var given = arguments.Bind("ensure_ascii", "indent", "separators", "sort_keys");
        var indent = Arguments.Or(given[1], null) switch
        {
            null => null,
            SourcedText text => text.Value,
            var spaces => new string(' ', (int)Math.Clamp(Operators.Integer(spaces), 0, 100)),
        };
        var (comma, colon) = (indent is null ? ", " : ",", ": ");
        if (Arguments.Or(given[2], null) is { } separators)
        {
            if (Listed(separators) is not [SourcedText first, SourcedText second]) throw new JinjaException("separators of tojson are two texts");
            (comma, colon) = (first.Value, second.Value);
        }
        return Printing.Json(value, indent, comma, colon, Operators.IsTrue(Arguments.Or(given[0], false)), Operators.IsTrue(Arguments.Or(given[3], false)));
    }

    private static SourcedText Title(SourcedText text) => text.With(string.Concat(WordStarts().Split(text.Value).Where(part => part.Length > 0)
        .Select(part => part[..1].ToUpperInvariant() + part[1..].ToLowerInvariant())));

    private static SourcedText Truncate(SourcedText text, object?[] given)
    {
        var length = Operators.Integer(Arguments.Or(given[0], 255L));
        var end = Printing.Str(Arguments.Or(given[2], new SourcedText("...")));
        var characters = text.Characters();
        if (characters.Length <= length + Operators.Integer(Arguments.Or(given[3], 5L))) return text;
        if (length < end.Count) throw new JinjaException($"expected length >= {end.Count}, got {length}");
        var kept = SourcedText.Concat(characters[..(int)(length - end.Count)]);
        if (!Operators.IsTrue(Arguments.Or(given[1], false)) && kept.Value.LastIndexOf(' ') is >= 0 and var space) kept = kept.Slice(..space);
        return SourcedText.Concat(kept, end);
    }

    private static SourcedText Escape(object? value)
    {
        var text = Printing.Str(value);
        foreach (var (character, name) in new[] { ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;") })
            text = TextMethods.Replace(text, new(character), new(name), -1);
        return text;
    }

    private static object? Int(object? value, object?[] given)
    {
        var otherwise = Arguments.Or(given[0], 0L);
        var numberBase = Operators.Integer(Arguments.Or(given[1], 10L));
        if (numberBase != 10) throw new JinjaException("int with another base than 10 is not known here");
        return value switch
        {
            long => value,
            bool => Operators.Integer(value),
            double number => Math.Abs(number) < 9e18 ? (long)number : otherwise,
            SourcedText text when long.TryParse(text.Value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
            SourcedText text when double.TryParse(text.Value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && Math.Abs(real) < 9e18 => (long)real,
            _ => otherwise,
        };
    }

    private static object? Float(object? value, object? otherwise) =>
        Operators.Number(value) ?? (value is SourcedText text && double.TryParse(text.Value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : otherwise);

    private static double Round(object? value, object?[] given)
    {
        var number = Operators.Number(value) ?? throw new JinjaException($"round wants a number, not {Operators.TypeName(value)}");
        var digits = (int)Math.Clamp(Operators.Integer(Arguments.Or(given[0], 0L)), 0, 15);
        var scale = Math.Pow(10, digits);
        return (Arguments.Or(given[1], null) is { } method ? TextMethods.Text(method).Value : "common") switch
        {
            "common" => Math.Round(number, digits, MidpointRounding.ToEven),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new JinjaException("method must be common, ceil or floor"),
        };
    }

    private static Lazy Batch(object? value, object?[] given)
    {
        var size = Operators.Integer(given[0]);
        if (size < 1) throw new JinjaException("batch wants a size of at least 1");
        var fill = Arguments.Or(given[1], null);
        return new(Listed(value).Chunk((int)Math.Min(size, JinjaLimits.Items)).Select(chunk => (object?)new Sequence(fill is null ? chunk : [.. chunk, .. Enumerable.Repeat(fill, (int)Math.Min(size, JinjaLimits.Items) - chunk.Length)])));
    }

    private static Lazy Slice(object? value, object?[] given)
    {
        var slices = Operators.Integer(given[0]);
        if (slices is < 1 or > JinjaLimits.Items) throw new JinjaException("slice wants a number of slices of at least 1");
        var items = Listed(value);
        var (size, longer) = (items.Length / slices, items.Length % slices);
        var fill = Arguments.Or(given[1], null);
        return new(Enumerable.Range(0, (int)slices).Select(i =>
        {
            var start = i * size + Math.Min(i, longer);
            var part = items[(int)start..(int)(start + size + (i < longer ? 1 : 0))];
            return (object?)new Sequence(fill is not null && i >= longer ? [.. part, fill] : part);
        }));
    }

    [GeneratedRegex(@"([-\s({\[<]+)")]
    private static partial Regex WordStarts();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();
}
