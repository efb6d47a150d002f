namespace AsFT.Torch.Chat.Jinja;

/// <summary>Something that has a value.</summary>
internal abstract record Expression(int Line)
{
    /// <summary>Levels of expressions below this one; bounded, for evaluating goes down them.</summary>
    public int Height { get; set; }

    public abstract object? Evaluate(Scope scope);
}

internal sealed record Constant(object? Value, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Value;
}

internal sealed record Variable(string Name, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => scope.Find(Name);
}

internal sealed record SequenceLiteral(Expression[] Items, bool IsTuple, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => new Sequence([.. Items.Select(item => item.Evaluate(scope))], IsTuple);
}

internal sealed record MappingLiteral((Expression Key, Expression Value)[] Entries, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Entries.Aggregate(new Mapping(), (mapping, entry) => mapping.Set(entry.Key.Evaluate(scope), entry.Value.Evaluate(scope)));
}

internal sealed record Attribute(Expression Target, string Name, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Access.Attribute(Target.Evaluate(scope), Name);
}

internal sealed record Item(Expression Target, Expression Key, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Access.Item(Target.Evaluate(scope), Key.Evaluate(scope));
}

internal sealed record SliceOf(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Access.Slice(Target.Evaluate(scope), Start?.Evaluate(scope), Stop?.Evaluate(scope), Step?.Evaluate(scope));
}

internal sealed record Unary(string Symbol, Expression Operand, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => (Symbol, Operand.Evaluate(scope)) switch
    {
        ("not", var value) => !Operators.IsTrue(value),
        ("-", var value) => Operators.Negate(value),
        (_, var value) => Operators.Negate(Operators.Negate(value)),
    };
}

internal sealed record Binary(string Symbol, Expression Left, Expression Right, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope)
    {
        var left = Left.Evaluate(scope);
        switch (Symbol)
        {
            case "and": return Operators.IsTrue(left) ? Right.Evaluate(scope) : left;
            case "or": return Operators.IsTrue(left) ? left : Right.Evaluate(scope);
        }
        var right = Right.Evaluate(scope);
        return Symbol switch
        {
            "+" => Operators.Add(left, right),
            "-" => Operators.Subtract(left, right),
            "*" => Operators.Multiply(left, right),
            "/" => Operators.Divide(left, right),
            "//" => Operators.FloorDivide(left, right),
            "%" => Operators.Remainder(left, right),
            "**" => Operators.Power(left, right),
            _ => SourcedText.Concat(Printing.Str(left), Printing.Str(right)),
        };
    }
}

/// <summary><c>a &lt; b &lt;= c</c>: each with its neighbour.</summary>
internal sealed record Comparison(Expression First, (string Symbol, Expression Operand)[] Others, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope)
    {
        var left = First.Evaluate(scope);
        foreach (var (symbol, operand) in Others)
        {
            scope.Rendering.Step();
            var right = operand.Evaluate(scope);
            if (!Holds(symbol, left, right)) return false;
            left = right;
        }
        return true;
    }

    public static bool Holds(string symbol, object? left, object? right) => symbol switch
    {
        "==" => Operators.AreEqual(left, right),
        "!=" => !Operators.AreEqual(left, right),
        "in" => Access.Contains(right, left),
        "not in" => !Access.Contains(right, left),
        "<" => Operators.Compare(left, right, symbol) < 0,
        "<=" => Operators.Compare(left, right, symbol) <= 0,
        ">" => Operators.Compare(left, right, symbol) > 0,
        _ => Operators.Compare(left, right, symbol) >= 0,
    };
}

/// <summary><c>a if condition else b</c>; without an else what is not chosen is undefined.</summary>
internal sealed record Choice(Expression Condition, Expression Then, Expression? Else, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Operators.IsTrue(Condition.Evaluate(scope)) ? Then.Evaluate(scope)
        : Else is null ? new Undefined("the inline if-expression evaluated to false and no else section was defined.") : Else.Evaluate(scope);
}

/// <summary>The arguments of a call as written.</summary>
internal sealed record ArgumentList(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? Spread, Expression? SpreadNamed)
{
    public static ArgumentList Empty { get; } = new([], [], null, null);

    public Arguments Evaluate(Scope scope, string name, IEnumerable<object?>? before = null)
    {
        List<object?> positional = [.. before ?? [], .. Positional.Select(argument => argument.Evaluate(scope))];
        if (Spread is not null) positional.AddRange(Access.Iterate(Spread.Evaluate(scope)));
        var named = Named.Select(argument => KeyValuePair.Create(argument.Name, argument.Value.Evaluate(scope))).ToList();
        if (SpreadNamed is not null)
        {
            if (SpreadNamed.Evaluate(scope) is not Mapping mapping) throw new JinjaException($"{name} argument after ** must be a mapping");
            named.AddRange(mapping.Entries.Select(entry => KeyValuePair.Create(TextMethods.Text(entry.Key).Value, entry.Value)));
        }
        return new(name, positional, named, scope.Rendering);
    }
}

internal sealed record Call(Expression Target, ArgumentList List, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Evaluate(scope, null);

    public object? Evaluate(Scope scope, Callable? caller)
    {
        var target = Target.Evaluate(scope);
        if (target is Undefined missing) throw new JinjaException(missing.Message);
        if (target is not Callable callable) throw new JinjaException($"'{Operators.TypeName(target)}' object is not callable");
        var arguments = List.Evaluate(scope, callable.Name);
        if (caller is not null) arguments = new(callable.Name, arguments.Positional, [.. arguments.Named, KeyValuePair.Create<string, object?>("caller", caller)], scope.Rendering);
        scope.Rendering.Step();
        return callable.Call(arguments);
    }
}

/// <summary><c>value | filter(…)</c>; in a filter block the value is the block's text.</summary>
internal sealed record Filtered(Expression? Target, string Name, ArgumentList List, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Apply(scope, Target!.Evaluate(scope));

    public object? Apply(Scope scope, object? value) => Filters.All[Name](value, List.Evaluate(scope, Name));
}

/// <summary><c>value is test</c>.</summary>
internal sealed record Tested(Expression Target, string Name, ArgumentList List, int Line) : Expression(Line)
{
    public override object? Evaluate(Scope scope) => Tests.All[Name](Target.Evaluate(scope), List.Evaluate(scope, Name));
}
