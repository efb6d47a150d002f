using System.CommandLine;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests.Options;

public sealed class NumberOptionsTests
{
    public static TheoryData<string, string> Numbers { get; } = [.. AllNumbers()];

    [Theory]
    [MemberData(nameof(Numbers))]
    public async Task A_comma_in_any_number_of_the_command_line_is_refused_by_name(string command, string option)
    {
        foreach (var number in new[] { "1,5", "1,000" })
        {
            var result = await Tool.Run([.. command.Split(' '), option, number]);
            Tool.AssertFailed(result, ExitCode.Usage, option, $"{number}: there is a comma in the number");
        }
    }

    [Fact]
    public void The_options_with_numbers_are_found() => Assert.Superset(
        new HashSet<(string, string)> { ("finetune", "--lambda"), ("eval", "--max-harmful-score"), ("world build", "--documents"), ("generate", "--top-p"), ("bench", "--seconds"), ("basin", "--from") },
        AllNumbers().ToHashSet());

    [Theory]
    [InlineData("--lambda", "0.5", 0.5)]
    [InlineData("--lambda", "1e-3", 1e-3)]
    [InlineData("--lambda", ".5", 0.5)]
    [InlineData("--from", "-2", -2)]
    public void A_number_is_written_as_in_JSON(string name, string text, double value)
    {
        var option = new Option<double>(name);
        var command = new Command("any") { option };
        NumberOptions.Bind(command);
        Assert.Equal(value, command.Parse([name, text]).GetValue(option));
    }

    [Theory]
    [InlineData("--lambda", "1 000", "such as 10, 0.5 or 1e-4")]
    [InlineData("--lambda", "1'000", "such as 10, 0.5 or 1e-4")]
    [InlineData("--lambda", "NaN", "such as 10, 0.5 or 1e-4")]
    [InlineData("--lambda", "1e999", "such as 10, 0.5 or 1e-4")]
    [InlineData("--rank", "1.5", "a whole number is wanted")]
    [InlineData("--rank", "3000000000", "must lie between")]
    public async Task What_is_no_number_is_told_with_what_is_wanted(string option, string text, string words) =>
        Tool.AssertFailed(await Tool.Run("finetune", "--aligned", "a", "--data", "x", "--out", "y", option, text), ExitCode.Usage, $"{option} {text}: ", words);

    [Fact]
    public void A_numeric_type_without_a_reading_is_a_defect_of_the_tool() =>
        Assert.Throws<NotSupportedException>(() => NumberOptions.Bind(new Command("any") { new Option<float>("--share") }));

    private static IEnumerable<(string Command, string Option)> AllNumbers() => Commands(AsftTool.CreateRoot(new ToolConsole(TextWriter.Null, TextWriter.Null, TextReader.Null)), "")
        .SelectMany(at => at.Command.Options.Where(option => NumberOptions.IsNumeric(option.ValueType)).Select(option => (at.Words, option.Name)));

    private static IEnumerable<(Command Command, string Words)> Commands(Command parent, string words) => parent.Subcommands
        .SelectMany(command => Commands(command, $"{words} {command.Name}".Trim()).Prepend((command, $"{words} {command.Name}".Trim())));
}
