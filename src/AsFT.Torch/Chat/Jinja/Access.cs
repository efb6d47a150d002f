namespace AsFT.Torch.Chat.Jinja;

/// <summary>How values are gone through, measured and looked into.</summary>
internal static class Access
{
    public static IEnumerable<object?> Iterate(object? value) => value switch
    {
        Sequence sequence => sequence.Items,
        Mapping mapping => mapping.Entries.Select(entry => entry.Key),
        SourcedText text => text.Characters(),
        View view => view.Items,
        Lazy lazy => lazy,
        Undefined => [],
        _ => throw new JinjaException($"'{Operators.TypeName(value)}' object is not iterable"),
    };

    public static bool IsIterable(object? value) => value is Sequence or Mapping or SourcedText or View or Lazy or Undefined;

    public static long Length(object? value) => value switch
    {
        Sequence sequence => sequence.Items.Count,
        Mapping mapping => mapping.Entries.Count,
        SourcedText text => text.Count,
        View view => view.Items.Count,
        Undefined => 0,
        _ => throw new JinjaException($"object of type '{Operators.TypeName(value)}' has no len()"),
    };

    public static bool Contains(object? container, object? item) => container switch
    {
        SourcedText text => item is SourcedText part ? text.Value.Contains(part.Value, StringComparison.Ordinal)
            : item is Undefined missing ? throw new JinjaException(missing.Message)
            : throw new JinjaException($"'in <string>' requires string as left operand, not {Operators.TypeName(item)}"),
        Mapping mapping => mapping.TryGet(item, out _),
        _ => Iterate(container).Any(other => Operators.AreEqual(other, item)),
    };

    /// <summary><c>value.name</c>: a method or field, else an entry of that name.</summary>
    public static object? Attribute(object? value, string name)
    {
        switch (value)
        {
            case Undefined missing:
                throw new JinjaException(missing.Message);
            case Namespace space:
                return space.Fields.TryGet(name, out var field) ? field : NoAttribute(value, name);
            case LoopState loop:
                return Arguments.Or(loop.Field(name), NoAttribute(value, name));
            case SourcedText text:
                return (object?)TextMethods.Find(text, name) ?? NoAttribute(value, name);
            case Mapping mapping:
                return (object?)CollectionMethods.Find(mapping, name) ?? (mapping.TryGet(name, out var entry) ? entry : NoAttribute(value, name));
            case Sequence sequence:
                return (object?)CollectionMethods.Find(sequence, name) ?? NoAttribute(value, name);
            default:
                return NoAttribute(value, name);
        }
    }

    /// <summary><c>value[key]</c>: an entry, else a method or field of that name.</summary>
    public static object? Item(object? value, object? key)
    {
        switch (value, key)
        {
            case (Undefined missing, _):
                throw new JinjaException(missing.Message);
            case (Mapping mapping, _) when mapping.TryGet(key, out var entry):
                return entry;
            case (Sequence sequence, long or bool):
                return At(sequence.Items, Operators.Integer(key)) is { Found: true } item ? item.Value : NoElement(value, key);
            case (View { Name: "range" } range, long or bool):
                return At(range.Items, Operators.Integer(key)) is { Found: true } number ? number.Value : NoElement(value, key);
            case (SourcedText text, long or bool):
                return At(text.Characters(), Operators.Integer(key)) is { Found: true } character ? character.Value : NoElement(value, key);
            case (_, SourcedText name):
                return Attribute(value, name.Value);
            default:
                return NoElement(value, key);
        }
    }

    public static object? Slice(object? value, object? start, object? stop, object? step)
    {
        switch (value)
        {
            case SourcedText text:
                return SourcedText.Concat([.. Places(text.Characters(), start, stop, step)]);
            case Sequence sequence:
                return new Sequence([.. Places(sequence.Items, start, stop, step)], sequence.IsTuple);
            case View { Name: "range" } range:
                return range with { Items = [.. Places(range.Items, start, stop, step)] };
            case Undefined missing:
                throw new JinjaException(missing.Message);
            default:
                throw new JinjaException($"'{Operators.TypeName(value)}' object is not subscriptable");
        }
    }

    private static IEnumerable<T> Places<T>(IReadOnlyList<T> items, object? start, object? stop, object? step)
    {
        var by = step is null ? 1 : Operators.Integer(step);
        if (by == 0) throw new JinjaException("slice step cannot be zero");
        var count = (long)items.Count;
        var (first, end) = by > 0
            ? (Place(start, 0, 0, count), Place(stop, count, 0, count))
            : (Place(start, count - 1, -1, count - 1), Place(stop, -1, -1, count - 1));
        for (var i = first; by > 0 ? i < end : i > end;)
        {
            yield return items[(int)i];
            if (by > 0 ? i > end - by : i < end - by) yield break;
            i += by;
        }

        long Place(object? bound, long otherwise, long least, long most)
        {
            if (bound is null) return otherwise;
            var place = Operators.Integer(bound);
            return Math.Clamp(place < 0 ? Math.Max(place, -count - 1) + count : place, least, most);
        }
    }

    private static (bool Found, object? Value) At(IReadOnlyList<object?> items, long place)
    {
        if (place < 0) place += items.Count;
        return place >= 0 && place < items.Count ? (true, items[(int)place]) : (false, null);
    }

    private static Undefined NoAttribute(object? value, string name) => new($"'{Described(value)}' has no attribute '{name}'");

    private static Undefined NoElement(object? value, object? key) => key is SourcedText name ? NoAttribute(value, name.Value)
        : new($"{Described(value)} has no element {Printing.Repr(key)}");

    private static string Described(object? value) => value is null ? "None" : $"{Operators.TypeName(value)} object";
}
