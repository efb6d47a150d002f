using System.CommandLine;
using System.Linq.Expressions;
using System.Reflection;

namespace AsFT.MLNet.Cli.Options;

/// <summary>
/// Options of the command line that are properties of an options class, a row for each: type, default and choices are the
/// property's own, and so is the word, unless another is given.
/// </summary>
/// <param name="defaults">The defaults that the help shows; null: it shows none.</param>
internal sealed class OptionTable<TOptions>(TOptions? defaults = null) where TOptions : class
{
    private readonly List<Row> _rows = [];

    /// <summary>Properties and the words for them.</summary>
    public IReadOnlyDictionary<string, string> Words => _rows.ToDictionary(row => row.Property.Name, row => row.Option.Name);

    /// <summary>Adds a row.</summary>
    /// <param name="property">The property. A list is read with commas between, unless it is repeated.</param>
    /// <param name="description">What the help says.</param>
    /// <param name="word">The option's word; null: the property's name, hyphenated.</param>
    /// <param name="helpName">What the help calls the value.</param>
    /// <param name="isRequired">Whether the command does nothing without it.</param>
    /// <param name="isRepeated">Whether a list is given by repeating the option.</param>
    /// <param name="choices">Words that a text, or an enumeration of which not all values are meant, takes.</param>
    /// <param name="shown">The default that the help shows where the property's own says nothing.</param>
    public Option Add<T>(Expression<Func<TOptions, T>> property, string description, string? word = null, string? helpName = null, bool isRequired = false, bool isRepeated = false, string[]? choices = null, object? shown = null)
    {
        var member = (PropertyInfo)((MemberExpression)property.Body).Member;
        word ??= "--" + Failure.KebabCase(member.Name);
        shown ??= defaults is null ? null : member.GetValue(defaults);
        var values = EnumOf(typeof(T)) is { } type ? Enum.GetValues(type).Cast<object>().ToDictionary(value => Failure.KebabCase(value.ToString()!), StringComparer.OrdinalIgnoreCase) : null;
        choices ??= values is null ? null : [.. values.Keys];
        var row = typeof(T) switch
        {
            _ when values is not null => Of<string>(text => values[text!], shown is null ? null : Failure.KebabCase(shown.ToString()!)),
            _ when choices is not null => Of<string>(text => text!.ToLowerInvariant(), shown),
            var list when list == typeof(IReadOnlyList<string>) && isRepeated => Of<string[]>(texts => texts, null),
            var list when list == typeof(IReadOnlyList<string>) =>
                Of<string>(text => text!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), shown is null ? null : string.Join(',', (IReadOnlyList<string>)shown)),
            _ => Of<T>(value => value, shown),
        };
        _rows.Add(row);
        return row.Option;

        Row Of<TTyped>(Func<TTyped?, object?> read, object? value)
        {
            var option = new Option<TTyped>(word) { Description = description, Required = isRequired };
            if (helpName is not null) option.HelpName = helpName;
            if (value is not (null or false)) option.DefaultValueFactory = _ => (TTyped)value;
            if (choices is not null) ((Option<string>)(Option)option).AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, choices);
            return new(member, option, run => read(run.Get(option)));
        }
    }

    public void AddTo(Command command)
    {
        foreach (var row in _rows) command.Options.Add(row.Option);
    }

    /// <summary>Sets what was typed; all else stays as it is.</summary>
    public void Apply(ToolRun run, TOptions options)
    {
        foreach (var row in _rows)
            if (run.Parse.GetResult(row.Option) is { Implicit: false }) row.Property.SetValue(options, row.Read(run));
    }

    private static Type? EnumOf(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is { IsEnum: true } found ? found : null;

    private sealed record Row(PropertyInfo Property, Option Option, Func<ToolRun, object?> Read);
}
