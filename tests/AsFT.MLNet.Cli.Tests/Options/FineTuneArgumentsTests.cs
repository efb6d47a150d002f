using System.CommandLine;
using System.Globalization;
using System.Reflection;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests.Options;

public sealed class FineTuneArgumentsTests
{
    // Columns are named by the instruction file's options, the folder of the adapter is --out's, and the rest is of a process.
    private static readonly string[] NotFromAShell =
    [
        nameof(AsftFineTuneOptions.PromptColumnName), nameof(AsftFineTuneOptions.ResponseColumnName), nameof(AsftFineTuneOptions.SystemColumnName),
        nameof(AsftFineTuneOptions.ContextColumnName), nameof(AsftFineTuneOptions.MessagesColumnName), nameof(AsftFineTuneOptions.OutputColumnName), nameof(AsftFineTuneOptions.AdapterOutputFolder),
        nameof(AsftFineTuneOptions.Progress), nameof(AsftFineTuneOptions.CancellationToken),
    ];

    public static TheoryData<string> Names => [.. typeof(AsftFineTuneOptions).GetProperties()
        .Where(property => property.SetMethod is { IsPublic: true } && !NotFromAShell.Contains(property.Name)).Select(property => property.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_option_can_be_given_and_arrives(string name)
    {
        var arguments = new FineTuneArguments();
        Assert.True(arguments.Words.TryGetValue(name, out var word), $"{name} has no row in FineTuneArguments.");
        var property = typeof(AsftFineTuneOptions).GetProperty(name)!;
        var option = Command(arguments).Options.Single(option => option.Name == word);
        var (text, value) = Sample(property, option);
        Assert.Equal(value, property.GetValue(Read(arguments, word == "--aligned" ? [word, text] : ["--aligned", "m", word!, text])));
        Assert.Equal(property.GetValue(new AsftFineTuneOptions { AlignedModelPath = "m" }), property.GetValue(Read(arguments, "--aligned", "m")));
    }

    // A value that is not the default, as it is typed and as it is in C#.
    private static (string Text, object Value) Sample(PropertyInfo property, Option option)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var choices = option.GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Select(choice => choice.Label).ToList();
        var current = property.GetValue(new AsftFineTuneOptions());
        if (type.IsEnum) return choices.Select(choice => (choice, Enum.GetValues(type).Cast<object>().Single(value => Failure.KebabCase(value.ToString()!) == choice))).Last(pair => !pair.Item2.Equals(current));
        if (type == typeof(bool)) return (current is true ? "false" : "true", current is not true);
        if (type == typeof(double)) return ("0.125", 0.125);
        if (type == typeof(string)) return choices.Count > 0 ? (choices[^1], choices[^1]) : ("x", "x");
        if (type == typeof(IReadOnlyList<string>)) return option.Name == "--stop" ? ("a, b", new[] { "a, b" }) : ("a, b", new[] { "a", "b" });
        return ("77", Convert.ChangeType(77, type, CultureInfo.InvariantCulture));
    }

    private static Command Command(FineTuneArguments arguments)
    {
        var command = new Command("finetune");
        arguments.AddTo(command);
        NumberOptions.Bind(command);
        return command;
    }

    private static AsftFineTuneOptions Read(FineTuneArguments arguments, params string[] typed)
    {
        var parse = Command(arguments).Parse(typed);
        Assert.Empty(parse.Errors);
        return arguments.Read(new ToolRun(parse, new ToolConsole(TextWriter.Null, TextWriter.Null, TextReader.Null), CancellationToken.None));
    }
}
