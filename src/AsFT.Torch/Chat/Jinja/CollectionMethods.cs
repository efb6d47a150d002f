namespace AsFT.Torch.Chat.Jinja;

/// <summary>Methods of Python's dictionaries and lists; those that would change them are refused, as in Jinja's sandbox.</summary>
internal static class CollectionMethods
{
    public static Callable? Find(Mapping mapping, string name) => name switch
    {
        "get" => new(name, a => a.BindPositional(1, 2) is var given && mapping.TryGet(given[0], out var value) ? value : Arguments.Or(a.BindPositional(1, 2)[1], null)),
        "items" => new(name, a => a.BindPositional(0, 0) is var _ ? Items(mapping) : null),
        "keys" => new(name, a => a.BindPositional(0, 0) is var _ ? new View([.. mapping.Entries.Select(entry => entry.Key)], "dict_keys") : null),
        "values" => new(name, a => a.BindPositional(0, 0) is var _ ? new View([.. mapping.Entries.Select(entry => entry.Value)], "dict_values") : null),
        "copy" => new(name, a => a.BindPositional(0, 0) is var _ ? mapping : null),
        "pop" or "popitem" or "clear" or "update" or "setdefault" => Refused("dict", name),
        _ => null,
    };

    public static Callable? Find(Sequence sequence, string name) => name switch
    {
        "index" => new(name, a => Index(sequence, a.BindPositional(1, 1)[0])),
        "count" => new(name, a => a.BindPositional(1, 1) is var given ? (long)sequence.Count(item => Operators.AreEqual(item, given[0])) : null),
        "copy" when !sequence.IsTuple => new(name, a => a.BindPositional(0, 0) is var _ ? sequence : null),
        "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" when !sequence.IsTuple => Refused("list", name),
        _ => null,
    };

    public static View Items(Mapping mapping) => new([.. mapping.Entries.Select(entry => new Sequence([entry.Key, entry.Value], isTuple: true))], "dict_items");

    private static long Index(Sequence sequence, object? item)
    {
        for (var i = 0; i < sequence.Items.Count; i++)
            if (Operators.AreEqual(sequence.Items[i], item)) return i;
        throw new JinjaException($"{Printing.Repr(item)} is not in list");
    }

    private static Callable Refused(string type, string name) => new(name, _ => throw new JinjaException($"access to attribute '{name}' of '{type}' object is unsafe."));
}
