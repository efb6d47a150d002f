using System.Runtime.CompilerServices;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>Something that is done: text printed, a name set, a block entered.</summary>
internal abstract record Statement(int Line)
{
    public abstract Flow Execute(Scope scope);
}

/// <summary>Statements one after the other.</summary>
internal sealed record Block(Statement[] Statements)
{
    public Flow Execute(Scope scope)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new JinjaException("blocks and calls lie too deep in one another");
        foreach (var statement in Statements)
        {
            try
            {
                if (statement.Execute(scope) is not Flow.Next and var flow) return flow;
            }
            catch (JinjaException e) when (!e.HasLine && !e.IsRaised)
            {
                throw new JinjaException(e.Message, statement.Line);
            }
        }
        return Flow.Next;
    }

    /// <summary>What the statements print, in names of their own.</summary>
    public SourcedText Capture(Scope scope)
    {
        var inner = new Scope(scope, new TextBuilder());
        Execute(inner);
        return inner.Output.ToText();
    }
}

internal sealed record Print(Expression Value, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        scope.Output.Append(Printing.Str(Value.Evaluate(scope)));
        return Flow.Next;
    }
}

internal sealed record If((Expression Condition, Block Then)[] Branches, Block? Else, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        foreach (var (condition, then) in Branches)
            if (Operators.IsTrue(condition.Evaluate(scope))) return then.Execute(scope);
        return Else?.Execute(scope) ?? Flow.Next;
    }
}

internal sealed record For(Target Target, Expression Items, Expression? Filter, Block Body, Block? Else, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        var items = new List<object?>();
        foreach (var item in Access.Iterate(Items.Evaluate(scope)))
        {
            scope.Rendering.Step();
            JinjaLimits.RequireItems(items.Count + 1L);
            if (Filter is null || Operators.IsTrue(Filter.Evaluate(Bound(scope, item)))) items.Add(item);
        }
        var loop = new LoopState(items);
        foreach (var item in items)
        {
            scope.Rendering.Step();
            var inner = Bound(scope, item);
            inner.Set("loop", loop);
            if (Body.Execute(inner) == Flow.Break) break;
            loop.Place++;
        }
        if (items.Count == 0) Else?.Execute(new Scope(scope));
        return Flow.Next;
    }

    private Scope Bound(Scope scope, object? item)
    {
        var inner = new Scope(scope);
        Target.Assign(inner, item);
        return inner;
    }
}

internal sealed record Jump(Flow Flow, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope) => Flow;
}

internal sealed record Set(Target Target, Expression Value, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        Target.Assign(scope, Value.Evaluate(scope));
        return Flow.Next;
    }
}

internal sealed record SetBlock(Target Target, Filtered? Filter, Block Body, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        object? text = Body.Capture(scope);
        Target.Assign(scope, Filter is null ? text : FilterBlock.Apply(Filter, scope, text));
        return Flow.Next;
    }
}

internal sealed record FilterBlock(Filtered Filter, Block Body, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        scope.Output.Append(Printing.Str(Apply(Filter, scope, Body.Capture(scope))));
        return Flow.Next;
    }

    /// <summary>Filters one after the other, the innermost first.</summary>
    public static object? Apply(Filtered filter, Scope scope, object? value) =>
        filter.Apply(scope, filter.Target is Filtered inner ? Apply(inner, scope, value) : value);
}

internal sealed record With((Target Target, Expression Value)[] Values, Block Body, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        var inner = new Scope(scope);
        foreach (var (target, value) in Values) target.Assign(inner, value.Evaluate(scope));
        return Body.Execute(inner);
    }
}

// TakesMore, TakesNamed: whether the body asks for varargs, kwargs.
internal sealed record Macro(string Name, string[] Parameters, Expression?[] Defaults, Block Body, bool TakesMore, bool TakesNamed, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        scope.Set(Name, Bind(scope));
        return Flow.Next;
    }

    public Callable Bind(Scope scope) => new(Name, arguments =>
    {
        if (arguments.Positional.Count > Parameters.Length && !TakesMore)
            throw new JinjaException($"macro '{Name}' takes not more than {Parameters.Length} argument(s)");
        var inner = new Scope(scope, new TextBuilder());
        var named = arguments.Named.ToDictionary(argument => argument.Key, argument => argument.Value);
        for (var i = 0; i < Parameters.Length; i++)
        {
            var isNamed = named.Remove(Parameters[i], out var value);
            if (i < arguments.Positional.Count)
            {
                if (isNamed) throw new JinjaException($"macro '{Name}' got multiple values for argument '{Parameters[i]}'");
                value = arguments.Positional[i];
            }
            else if (!isNamed)
            {
                value = Defaults[i] is { } otherwise ? otherwise.Evaluate(inner) : new Undefined($"parameter '{Parameters[i]}' was not provided");
            }
            inner.Set(Parameters[i], value);
        }
        inner.Set("caller", named.Remove("caller", out var caller) ? caller : Undefined.Name("caller"));
        inner.Set("varargs", new Sequence([.. arguments.Positional.Skip(Parameters.Length)], isTuple: true));
        inner.Set("kwargs", named.Aggregate(new Mapping(), (mapping, entry) => mapping.Set(entry.Key, entry.Value)));
        if (named.Count > 0 && !TakesNamed) throw new JinjaException($"macro '{Name}' takes no keyword argument '{named.Keys.First()}'");
        scope.Rendering.Enter();
        Body.Execute(inner);
        scope.Rendering.Leave();
        return inner.Output.ToText();
    });
}

internal sealed record CallBlock(Call Call, Macro Caller, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        scope.Output.Append(Printing.Str(Call.Evaluate(scope, Caller.Bind(scope))));
        return Flow.Next;
    }
}

/// <summary><c>{% generation %}</c>: what is printed within is what the assistant says.</summary>
internal sealed record GenerationBlock(Block Body, int Line) : Statement(Line)
{
    public override Flow Execute(Scope scope)
    {
        var start = scope.Output.Length;
        var flow = Body.Execute(new Scope(scope));
        scope.Rendering.AddGenerated(scope.Output, start);
        return flow;
    }
}

/// <summary>Where a value goes: a name, a field of a namespace, or several names.</summary>
internal abstract record Target
{
    public abstract void Assign(Scope scope, object? value);
}

internal sealed record NameTarget(string Name) : Target
{
    public override void Assign(Scope scope, object? value) => scope.Set(Name, value);
}

internal sealed record FieldTarget(string Name, string Field) : Target
{
    public override void Assign(Scope scope, object? value)
    {
        if (scope.Find(Name) is not Namespace space) throw new JinjaException("cannot assign attribute on non-namespace object");
        space.Fields.Set(Field, value);
    }
}

internal sealed record TupleTarget(Target[] Targets) : Target
{
    public override void Assign(Scope scope, object? value)
    {
        var items = Access.Iterate(value).ToArray();
        if (items.Length != Targets.Length)
            throw new JinjaException(items.Length < Targets.Length ? $"not enough values to unpack (expected {Targets.Length}, got {items.Length})" : $"too many values to unpack (expected {Targets.Length})");
        for (var i = 0; i < items.Length; i++) Targets[i].Assign(scope, items[i]);
    }
}
