using System.Diagnostics.CodeAnalysis;

namespace AsFT.Torch.Chat.Jinja;

// What a template computes with, as C# holds it: null (None), bool, long, double, SourcedText, and the types below.

/// <summary>What is not there. It prints as nothing, is false and empty; anything else done with it is an error that says what was missing.</summary>
internal sealed class Undefined(string message)
{
    public string Message { get; } = message;

    public static Undefined Name(string name) => new($"'{name}' is undefined");
}

/// <summary>A list, or a tuple; neither changes once it is made.</summary>
internal sealed class Sequence : IEnumerable<object?>
{
    public Sequence(IReadOnlyList<object?> items, bool isTuple = false)
    {
        JinjaLimits.RequireItems(items.Count);
        (Items, IsTuple) = (items, isTuple);
    }

    public IReadOnlyList<object?> Items { get; }

    public bool IsTuple { get; }

    public IEnumerator<object?> GetEnumerator() => Items.GetEnumerator();

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A dictionary; keys keep their order.</summary>
internal sealed class Mapping
{
    private readonly Dictionary<object, int> _places = new(KeyComparer.Instance);
    private readonly List<KeyValuePair<object?, object?>> _entries = [];

    public IReadOnlyList<KeyValuePair<object?, object?>> Entries => _entries;

    public bool TryGet(object? key, out object? value)
    {
        var isThere = _places.TryGetValue(Boxed(key), out var place);
        value = isThere ? _entries[place].Value : null;
        return isThere;
    }

    public bool TryGet(string key, out object? value) => TryGet(new SourcedText(key), out value);

    public Mapping Set(object? key, object? value)
    {
        JinjaLimits.RequireItems(_entries.Count + 1L);
        if (_places.TryGetValue(Boxed(key), out var place))
        {
            _entries[place] = new(_entries[place].Key, value);
            return this;
        }
        _places.Add(Boxed(key), _entries.Count);
        _entries.Add(new(key, value));
        return this;
    }

    public Mapping Set(string key, object? value) => Set(new SourcedText(key), value);

    private static object Boxed(object? key) => key ?? typeof(void);

    // 1, 1.0 and True are one key, as in Python.
    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static KeyComparer Instance { get; } = new();

        public new bool Equals(object? left, object? right) => left is Type || right is Type ? ReferenceEquals(left, right) : Operators.AreEqual(left, right);

        public int GetHashCode([DisallowNull] object key) => key switch
        {
            bool flag => (flag ? 1.0 : 0.0).GetHashCode(),
            long number => ((double)number).GetHashCode(),
            Sequence { IsTuple: true } tuple => tuple.Items.Count,
            Sequence or Mapping => throw new JinjaException($"unhashable type: '{Operators.TypeName(key)}'"),
            _ => key.GetHashCode(),
        };
    }
}

/// <summary>What <c>map</c>, <c>select</c> and their like give: it can be gone through, once, and has no length.</summary>
internal sealed class Lazy(IEnumerable<object?> items) : IEnumerable<object?>
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();

    public IEnumerator<object?> GetEnumerator()
    {
        while (_items.MoveNext()) yield return _items.Current;
    }

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>What <c>range</c> and a dictionary's <c>items()</c>, <c>keys()</c>, <c>values()</c> give: a length, and for a range entries by number.</summary>
internal sealed record View(IReadOnlyList<object?> Items, string Name);

/// <summary>The one object that a template may change: <c>{% set ns.field = … %}</c>.</summary>
internal sealed class Namespace(Mapping fields)
{
    public Mapping Fields { get; } = fields;
}

/// <summary>Something that can be called: a function, a bound method, a macro.</summary>
internal sealed record Callable(string Name, Func<Arguments, object?> Call)
{
    /// <summary>A method of Python's own: arguments by their places, <see cref="Arguments.Missing"/> for those that are not given.</summary>
    public static Callable Method(string name, int least, int most, Func<object?[], object?> call) => new(name, arguments => call(arguments.BindPositional(least, most)));
}

/// <summary>Arguments of a call.</summary>
internal sealed class Arguments(string name, IReadOnlyList<object?> positional, IReadOnlyList<KeyValuePair<string, object?>> named, Rendering rendering)
{
    public string Name => name;

    public IReadOnlyList<object?> Positional => positional;

    public IReadOnlyList<KeyValuePair<string, object?>> Named => named;

    public Rendering Rendering => rendering;

    /// <summary>The values of parameters, in their order; <see cref="Missing"/> where one is not given.</summary>
    /// <exception cref="JinjaException">There are too many, or one has no such parameter.</exception>
    public object?[] Bind(params ReadOnlySpan<string> parameters)
    {
        if (positional.Count > parameters.Length) throw new JinjaException($"{name} takes at most {parameters.Length} arguments; {positional.Count} are given");
        var values = new object?[parameters.Length];
        for (var i = 0; i < values.Length; i++) values[i] = i < positional.Count ? positional[i] : Missing;
        foreach (var (key, value) in named)
        {
            var place = parameters.IndexOf(key);
            if (place < 0) throw new JinjaException($"{name} got an unexpected keyword argument '{key}'");
            if (!ReferenceEquals(values[place], Missing)) throw new JinjaException($"{name} got multiple values for argument '{key}'");
            values[place] = value;
        }
        return values;
    }

    /// <summary>The same for a method of Python's own, which takes no names.</summary>
    public object?[] BindPositional(int least, int most)
    {
        if (named.Count > 0) throw new JinjaException($"{name}() takes no keyword arguments");
        if (positional.Count < least || positional.Count > most) throw new JinjaException($"{name}() takes {least} to {most} arguments; {positional.Count} are given");
        var values = new object?[most];
        for (var i = 0; i < most; i++) values[i] = i < positional.Count ? positional[i] : Missing;
        return values;
    }

    /// <summary>Stands for an argument that is not given.</summary>
    public static readonly object Missing = new();

    public static object? Or(object? value, object? otherwise) => ReferenceEquals(value, Missing) ? otherwise : value;
}
