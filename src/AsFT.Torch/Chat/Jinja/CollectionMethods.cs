namespace AsFT.Torch.Chat.Jinja;

/// <summary>Methods of Python's dictionaries and lists; those that would change them are refused, as in Jinja's sandbox.</summary>
internal static class CollectionMethods
{
    public static Callable? Find(Mapping mapping, string name) => name switch
    {
        "get" => Callable.Method(name, 1, 2, a => mapping.TryGet(a[0], out var value) ? value : Arguments.Or(a[1], null)),
        "items" => Callable.Method(name, 0, 0, _ => Items(mapping)),
        "keys" => Callable.Method(name, 0, 0, _ => new View([.. mapping.Entries.Select(entry => entry.Key)], "dict_keys")),
        "values" => Callable.Method(name, 0, 0, _ => new View([.. mapping.Entries.Select(entry => entry.Value)], "dict_values")),
        "copy" => Callable.Method(name, 0, 0, _ => mapping),
        "pop" or "popitem" or "clear" or "update" or "setdefault" => Refused("dict", name),
        _ => null,
    };

    public static Callable? Find(Sequence sequence, string name) => name switch
    {
        "index" => Callable.Method(name, 1, 1, a => Index(sequence, a[0])),
        "count" => Callable.Method(name, 1, 1, a => (long)sequence.Count(item => Operators.AreEqual(item, a[0]))),
        "copy" when !sequence.IsTuple => Callable.Method(name, 0, 0, _ => sequence),
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
