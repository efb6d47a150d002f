namespace AsFT.Torch.Chat.Jinja;

/// <summary>
/// A Jinja template as chat templates use the language: text in, text out. It reaches nothing but the values it is given, ends within
/// <see cref="JinjaLimits"/>, and refuses by name and line what it does not know. Equal to Python's jinja2 3.1 set up as in transformers
/// (<c>ImmutableSandboxedEnvironment</c>, loop controls, <c>{% generation %}</c>).
/// </summary>
internal sealed class JinjaTemplate
{
    private readonly Block _block;

    private JinjaTemplate(IReadOnlyList<Token> tokens)
    {
        _block = StatementParser.Read(tokens, out var marksAnswers);
        MarksAnswers = marksAnswers;
    }

    /// <summary>Whether it marks what the assistant says (<c>{% generation %}</c>).</summary>
    public bool MarksAnswers { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="isChat">Whether block tags take the white space around them in their line (<c>trim_blocks</c>, <c>lstrip_blocks</c>), as in chat templates.</param>
    /// <exception cref="JinjaException">It is malformed, or uses what is not known here; names it and the line.</exception>
    public static JinjaTemplate Parse(string source, bool isChat = true) => new(Lexer.Read(source, isChat, isChat));

    /// <summary>Renders it.</summary>
    /// <param name="context">Names and values.</param>
    /// <param name="now">What <c>strftime_now</c> tells; null: this moment.</param>
    /// <exception cref="JinjaException">The template raised it, or cannot do with the values what it wants to.</exception>
    public RenderedText Render(IEnumerable<KeyValuePair<string, object?>> context, DateTime? now = null)
    {
        var output = new TextBuilder();
        var rendering = new Rendering(output);
        var globals = new Scope(rendering, output);
        AddGlobals(globals, now);
        foreach (var (name, value) in context) globals.Set(name, value);
        _block.Execute(new Scope(globals));
        return new(output.Value, output.Sources, rendering.Generated);
    }

    private static void AddGlobals(Scope scope, DateTime? now)
    {
        scope.Set("range", new Callable("range", Range));
        scope.Set("dict", new Callable("dict", arguments => Named(arguments)));
        scope.Set("namespace", new Callable("namespace", arguments => new Namespace(Named(arguments))));
        scope.Set("raise_exception", new Callable("raise_exception", arguments => throw new JinjaException(Printing.Str(arguments.Bind("message")[0]).Value, isRaised: true)));
        scope.Set("strftime_now", new Callable("strftime_now", arguments => new SourcedText(Formatting.Time(now ?? DateTime.Now, TextMethods.Text(arguments.Bind("format")[0]).Value))));
    }

    private static Mapping Named(Arguments arguments)
    {
        var mapping = new Mapping();
        foreach (var given in arguments.Positional)
        {
            if (given is not Mapping other) throw new JinjaException($"{arguments.Name} takes a dictionary and names, not {Operators.TypeName(given)}");
            foreach (var (key, value) in other.Entries) mapping.Set(key, value);
        }
        foreach (var (name, value) in arguments.Named) mapping.Set(name, value);
        return mapping;
    }

    private static View Range(Arguments arguments)
    {
        var bounds = arguments.Positional.Select(Operators.Integer).ToArray();
        var (start, stop, step) = bounds switch
        {
            [var end] => (0L, end, 1L),
            [var first, var end] => (first, end, 1L),
            [var first, var end, var by] => (first, end, by),
            _ => throw new JinjaException("range wants one to three whole numbers"),
        };
        if (step == 0) throw new JinjaException("range() arg 3 must not be zero");
        var span = step > 0 ? (decimal)stop - start : (decimal)start - stop;
        var count = span <= 0 ? 0 : Math.Ceiling(span / Math.Abs((decimal)step));
        if (count > JinjaLimits.Range) throw new JinjaException($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({JinjaLimits.Range}).");
        return new([.. Enumerable.Range(0, (int)count).Select(i => (object?)(start + i * step))], "range");
    }
}

/// <summary>What a template made.</summary>
/// <param name="Text">The text.</param>
/// <param name="Sources">For each of its characters, where it came from: 0 the template, else the number its value was given with.</param>
/// <param name="Generated">Parts within <c>{% generation %}</c>, as start and end; empty where the template has none.</param>
internal sealed record RenderedText(string Text, string Sources, IReadOnlyList<(int Start, int End)> Generated);
