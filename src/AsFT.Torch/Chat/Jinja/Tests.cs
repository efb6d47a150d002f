namespace AsFT.Torch.Chat.Jinja;

/// <summary>Jinja's tests: <c>value is name</c>.</summary>
internal static class Tests
{
    public static IReadOnlyDictionary<string, Func<object?, Arguments, bool>> All { get; } = new Dictionary<string, Func<object?, Arguments, bool>>
    {
        ["boolean"] = (value, _) => value is bool,
        ["callable"] = (value, _) => value is Callable,
        ["defined"] = (value, _) => value is not Undefined,
        ["divisibleby"] = (value, a) => Operators.AreEqual(Operators.Remainder(value, One(a)), 0L),
        ["even"] = (value, _) => Operators.AreEqual(Operators.Remainder(value, 2L), 0L),
        ["false"] = (value, _) => value is false,
        ["filter"] = (value, _) => value is SourcedText text && Filters.All.ContainsKey(text.Value),
        ["float"] = (value, _) => value is double,
        ["in"] = (value, a) => Access.Contains(One(a), value),
        ["integer"] = (value, _) => value is long,
        ["iterable"] = (value, _) => Access.IsIterable(value),
        ["lower"] = (value, _) => TextMethods.IsCase(Printing.Str(value).Value, char.IsLower, char.IsUpper),
        ["mapping"] = (value, _) => value is Mapping,
        ["none"] = (value, _) => value is null,
        ["number"] = (value, _) => value is bool or long or double,
        ["odd"] = (value, _) => Operators.AreEqual(Operators.Remainder(value, 2L), 1L),
        ["sameas"] = (value, a) => One(a) is var other && (ReferenceEquals(value, other) || value is bool or null && Equals(value, other)),
        ["sequence"] = (value, _) => value is Sequence or Mapping or SourcedText or View or Undefined,
        ["string"] = (value, _) => value is SourcedText,
        ["test"] = (value, _) => value is SourcedText text && All!.ContainsKey(text.Value),
        ["true"] = (value, _) => value is true,
        ["undefined"] = (value, _) => value is Undefined,
        ["upper"] = (value, _) => TextMethods.IsCase(Printing.Str(value).Value, char.IsUpper, char.IsLower),
        ["=="] = Comparing("=="),
        ["eq"] = Comparing("=="),
        ["equalto"] = Comparing("=="),
        ["!="] = Comparing("!="),
        ["ne"] = Comparing("!="),
        ["<"] = Comparing("<"),
        ["lt"] = Comparing("<"),
        ["lessthan"] = Comparing("<"),
        ["<="] = Comparing("<="),
        ["le"] = Comparing("<="),
        [">"] = Comparing(">"),
        ["gt"] = Comparing(">"),
        ["greaterthan"] = Comparing(">"),
        [">="] = Comparing(">="),
        ["ge"] = Comparing(">="),
    };

    private static Func<object?, Arguments, bool> Comparing(string symbol) => (value, arguments) => Comparison.Holds(symbol, value, One(arguments));

    private static object? One(Arguments arguments) => arguments.Positional is [var only] ? only : throw new JinjaException($"the test '{arguments.Name}' wants one argument");
}
