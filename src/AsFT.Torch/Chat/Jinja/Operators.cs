namespace AsFT.Torch.Chat.Jinja;

/// <summary>What Python's operators do with values.</summary>
internal static class Operators
{
    public static string TypeName(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long => "int",
        double => "float",
        SourcedText => "str",
        Sequence { IsTuple: true } => "tuple",
        Sequence => "list",
        Mapping => "dict",
        Undefined => "Undefined",
        Lazy => "generator",
        View view => view.Name,
        Namespace => "Namespace",
        Callable => "function",
        LoopState => "LoopContext",
        _ => value.GetType().Name,
    };

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        SourcedText text => text.Value.Length > 0,
        Sequence sequence => sequence.Items.Count > 0,
        Mapping mapping => mapping.Entries.Count > 0,
        View view => view.Items.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right, int depth = 0)
    {
        RequireDepth(depth);
        if (ReferenceEquals(left, right)) return left is not double number || !double.IsNaN(number);
        if (Number(left) is { } a && Number(right) is { } b) return left is double || right is double ? a == b : Integer(left) == Integer(right);
        return (left, right) switch
        {
            (SourcedText x, SourcedText y) => x.Value == y.Value,
            (Undefined, Undefined) => true,
            (Sequence x, Sequence y) => x.IsTuple == y.IsTuple && x.Items.Count == y.Items.Count && x.Items.Zip(y.Items).All(pair => AreEqual(pair.First, pair.Second, depth + 1)),
            (Mapping x, Mapping y) => x.Entries.Count == y.Entries.Count && x.Entries.All(entry => y.TryGet(entry.Key, out var other) && AreEqual(entry.Value, other, depth + 1)),
            (View x, View y) => x.Name == y.Name && AreEqual(new Sequence(x.Items), new Sequence(y.Items), depth + 1),
            _ => false,
        };
    }

    /// <summary>The order of two values, for <c>&lt;</c>, <c>sort</c> and their like.</summary>
    public static int Compare(object? left, object? right, string symbol = "<", int depth = 0)
    {
        RequireDepth(depth);
        if (Number(left) is { } a && Number(right) is { } b) return left is double || right is double ? a.CompareTo(b) : Integer(left).CompareTo(Integer(right));
        switch (left, right)
        {
            case (SourcedText x, SourcedText y):
                return CompareCodePoints(x.Value, y.Value);
            case (Sequence x, Sequence y) when x.IsTuple == y.IsTuple:
                foreach (var (first, second) in x.Items.Zip(y.Items))
                    if (!AreEqual(first, second)) return Compare(first, second, symbol, depth + 1);
                return x.Items.Count.CompareTo(y.Items.Count);
            default:
                if ((left as Undefined ?? right as Undefined) is { } missing) throw new JinjaException(missing.Message);
                throw new JinjaException($"'{symbol}' not supported between instances of '{TypeName(left)}' and '{TypeName(right)}'");
        }
    }

    public static object? Add(object? left, object? right) => (left, right) switch
    {
        (SourcedText x, SourcedText y) => SourcedText.Concat(x, y),
        (Sequence x, Sequence y) when x.IsTuple == y.IsTuple => Joined(x, y),
        (SourcedText, not (SourcedText or Undefined)) => throw new JinjaException($"can only concatenate str (not \"{TypeName(right)}\") to str"),
        _ => Arithmetic(left, right, "+", (x, y) => checked(x + y), (x, y) => x + y),
    };

    public static object? Subtract(object? left, object? right) => Arithmetic(left, right, "-", (x, y) => checked(x - y), (x, y) => x - y);

    public static object? Multiply(object? left, object? right) => (left, right) switch
    {
        (SourcedText text, long or bool) => Repeat(text, Integer(right)),
        (long or bool, SourcedText text) => Repeat(text, Integer(left)),
        (Sequence sequence, long or bool) => Repeat(sequence, Integer(right)),
        (long or bool, Sequence sequence) => Repeat(sequence, Integer(left)),
        _ => Arithmetic(left, right, "*", (x, y) => checked(x * y), (x, y) => x * y),
    };

    public static object? Divide(object? left, object? right) => Arithmetic(left, right, "/", null, (x, y) => y == 0 ? throw new JinjaException("division by zero") : x / y);

    public static object? FloorDivide(object? left, object? right) => Arithmetic(left, right, "//", FloorDivide,
        (x, y) => y == 0 ? throw new JinjaException("float floor division by zero") : Math.Floor(x / y));

    public static object? Remainder(object? left, object? right) => left is SourcedText format ? Formatting.Percent(format, right) : Arithmetic(left, right, "%",
        (x, y) => x - FloorDivide(x, y) * y,
        (x, y) => y == 0 ? throw new JinjaException("float modulo") : x - y * Math.Floor(x / y));

    public static object? Power(object? left, object? right) => Arithmetic(left, right, "**",
        (x, y) => y < 0 ? throw new JinjaException("negative powers of integers are not computed here") : Power(x, y), Math.Pow);

    public static object? Negate(object? value) => value is double number ? -number : Arithmetic(0L, value, "unary -", (x, y) => checked(x - y), (x, y) => -y);

    /// <summary>A number as a double; null where it is none. Truth values are numbers.</summary>
    public static double? Number(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long number => number,
        double number => number,
        _ => null,
    };

    /// <summary>A whole number.</summary>
    public static long Integer(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long number => number,
        Undefined missing => throw new JinjaException(missing.Message),
        _ => throw new JinjaException($"'{TypeName(value)}' object cannot be interpreted as an integer"),
    };

    public static void RequireDepth(int depth)
    {
        if (depth > JinjaLimits.Depth) throw new JinjaException($"values lie more than {JinjaLimits.Depth} deep in one another");
    }

    private static object? Arithmetic(object? left, object? right, string symbol, Func<long, long, long>? whole, Func<double, double, double> real)
    {
        if ((left as Undefined ?? right as Undefined) is { } missing) throw new JinjaException(missing.Message);
        if (Number(left) is not { } a || Number(right) is not { } b)
            throw new JinjaException($"unsupported operand type(s) for {symbol}: '{TypeName(left)}' and '{TypeName(right)}'");
        if (whole is null || left is double || right is double) return real(a, b);
        try
        {
            return whole(Integer(left), Integer(right));
        }
        catch (OverflowException)
        {
            throw new JinjaException($"the result of {symbol} does not fit into 64 bits");
        }
    }

    private static long FloorDivide(long left, long right)
    {
        if (right == 0) throw new JinjaException("integer division or modulo by zero");
        var quotient = checked(left / right);
        return left % right != 0 && left < 0 != right < 0 ? quotient - 1 : quotient;
    }

    private static long Power(long number, long exponent)
    {
        var result = 1L;
        for (; exponent > 0; exponent--)
        {
            if (number is 0 or 1) return number;
            if (number == -1) return exponent % 2 == 0 ? result : -result;
            result = checked(result * number);
        }
        return result;
    }

    private static Sequence Joined(Sequence left, Sequence right)
    {
        JinjaLimits.RequireItems((long)left.Items.Count + right.Items.Count);
        return new([.. left.Items, .. right.Items], left.IsTuple);
    }

    private static SourcedText Repeat(SourcedText text, long times)
    {
        times = Math.Max(0, times);
        JinjaLimits.RequireText(text.Value.Length == 0 ? 0 : times > JinjaLimits.Text ? long.MaxValue : times * text.Value.Length);
        return text.Value.Length == 0 ? text : SourcedText.Concat([.. Enumerable.Repeat(text, (int)times)]);
    }

    private static Sequence Repeat(Sequence sequence, long times)
    {
        times = Math.Max(0, times);
        JinjaLimits.RequireItems(sequence.Items.Count == 0 ? 0 : times > JinjaLimits.Items ? long.MaxValue : times * sequence.Items.Count);
        return sequence.Items.Count == 0 ? sequence : new([.. Enumerable.Range(0, (int)times).SelectMany(_ => sequence.Items)], sequence.IsTuple);
    }

    // Python orders by code points; ordinal order of UTF-16 differs where surrogates meet U+E000 and above.
    private static int CompareCodePoints(string left, string right)
    {
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            if (left[i] == right[i]) continue;
            var (a, b) = (char.IsSurrogate(left[i]), char.IsSurrogate(right[i]));
            return a == b ? left[i].CompareTo(right[i]) : a ? 1 : -1;
        }
        return left.Length.CompareTo(right.Length);
    }
}
