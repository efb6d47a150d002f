namespace AsFT.Torch.Chat.Jinja;

/// <summary>Names and their values, in blocks within blocks: a loop's body sees what is outside and keeps what it sets.</summary>
internal sealed class Scope
{
    private readonly Dictionary<string, object?> _values = [];
    private readonly Scope? _outer;

    public Scope(Rendering rendering, TextBuilder output) => (Rendering, Output) = (rendering, output);

    public Scope(Scope outer, TextBuilder? output = null) => (_outer, Rendering, Output) = (outer, outer.Rendering, output ?? outer.Output);

    public Rendering Rendering { get; }

    public TextBuilder Output { get; }

    public object? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope._outer)
            if (scope._values.TryGetValue(name, out var value)) return value;
        return Undefined.Name(name);
    }

    public void Set(string name, object? value) => _values[name] = value;
}

/// <summary>One rendering: what it has cost so far, and what was generated.</summary>
internal sealed class Rendering(TextBuilder output)
{
    private long _steps;
    private int _depth;

    /// <summary>Parts of the output within <c>{% generation %}</c>, as start and end.</summary>
    public List<(int Start, int End)> Generated { get; } = [];

    public void Step()
    {
        if (++_steps > JinjaLimits.Steps) throw new JinjaException($"the template takes more than {JinjaLimits.Steps} steps");
    }

    public void Enter()
    {
        if (++_depth > JinjaLimits.Depth) throw new JinjaException($"calls lie more than {JinjaLimits.Depth} deep in one another");
    }

    public void Leave() => _depth--;

    public void AddGenerated(TextBuilder target, int start)
    {
        // What a macro or a block captures has no place in the output yet.
        if (!ReferenceEquals(target, output)) throw new JinjaException("'generation' within a macro, or a block whose text is kept, is not known here");
        Generated.Add((start, target.Length));
    }
}

/// <summary>What <c>loop</c> tells within a loop.</summary>
internal sealed class LoopState(IReadOnlyList<object?> items)
{
    private object? _lastSeen = Arguments.Missing;

    public int Place { get; set; }

    /// <summary>A field or method; <see cref="Arguments.Missing"/>: there is none of that name.</summary>
    public object? Field(string name) => name switch
    {
        "index" => Place + 1L,
        "index0" => (long)Place,
        "revindex" => (long)items.Count - Place,
        "revindex0" => items.Count - Place - 1L,
        "first" => Place == 0,
        "last" => Place == items.Count - 1,
        "length" => (long)items.Count,
        "depth" => 1L,
        "depth0" => 0L,
        "previtem" => Place > 0 ? items[Place - 1] : new Undefined("there is no previous item"),
        "nextitem" => Place + 1 < items.Count ? items[Place + 1] : new Undefined("there is no next item"),
        "cycle" => new Callable(name, arguments => arguments.Positional.Count == 0 ? throw new JinjaException("no items for cycling given") : arguments.Positional[Place % arguments.Positional.Count]),
        "changed" => new Callable(name, arguments =>
        {
            var seen = new Sequence(arguments.Positional, isTuple: true);
            var isChanged = ReferenceEquals(_lastSeen, Arguments.Missing) || !Operators.AreEqual(_lastSeen, seen);
            _lastSeen = seen;
            return isChanged;
        }),
        _ => Arguments.Missing,
    };
}
