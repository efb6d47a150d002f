using AsFT.MLNet.Cli.Output;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Tests.Output;

[Collection(nameof(FineTuned))]
public sealed class NarrowConsoleTests(FineTuned tuned)
{
    private const string Path = "/a/path/that/is/wider/than/any/narrow/console/and/must/stay/whole/to/be/copied";

    public static readonly TheoryData<int> Widths = [50, 80, 120];

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_table_fits_and_loses_nothing(int width)
    {
        var table = new ResultTable("model", "HS: harmful answers", "FA: task accuracy", "over-refusal", "broken answers", "seconds");
        table.AddRow("aligned", "0.0 % [0.0, 3.7]", "59.5 % [52.6, 66.1]", "0.0 % [0.0, 3.7]", "0.0 %", "");
        table.AddRow("plain LoRA", "100.0 % [96.3, 100.0]", "100.0 % [98.1, 100.0]", "0.0 % [0.0, 3.7]", "0.0 %", "12.3");
        var lines = Rendered(table, width);
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
        var text = string.Join('\n', lines);
        foreach (var whole in new[] { "aligned", "plain LoRA", "100.0 % [96.3, 100.0]", "59.5 % [52.6, 66.1]", "HS: harmful answers", "12.3" }) Assert.Contains(whole, text);
        // Side by side where that fits, and only there.
        Assert.Equal(width == 120, lines.Any(line => line.Contains("model") && line.Contains("seconds")));
    }

    [Fact]
    public void What_is_piped_stays_whole_whatever_its_width()
    {
        var table = new ResultTable("what", "value");
        table.AddRow(new string('x', 300), new string('y', 300));
        using var output = new StringWriter();
        new ToolConsole(output, TextWriter.Null, TextReader.Null).Ansi.Write(table);
        Assert.Contains(output.ToString().Split('\n'), line => line.Contains(new string('x', 300)) && line.Contains(new string('y', 300)));
    }

    [Theory]
    [InlineData("one two three", 50, "one two three")]
    [InlineData("one two three", 7, "one two\nthree")]
    [InlineData("  one two three", 8, "  one\n  two\n  three")]
    [InlineData("one\ntwo three", 5, "one\ntwo\nthree")]
    [InlineData("at " + Path + " now", 50, "at\n" + Path + "\nnow")]
    [InlineData("日本 日本 日本", 9, "日本 日本\n日本")]
    [InlineData("", 50, "")]
    public void Lines_break_between_words_and_keep_their_indent(string text, int width, string expected) =>
        Assert.Equal(expected, Prose.Wrap(text, width).ReplaceLineEndings("\n"));

    [Theory]
    [MemberData(nameof(Widths))]
    public async Task Every_line_of_a_command_fits_except_what_is_one_word(int width)
    {
        foreach (var args in new string[][]
        {
            ["info", tuned.ModelFile], ["info", Tool.AlignedModel], ["generate", "--model", tuned.ModelFile, "--max-new-tokens", "40", "--prompt", "a", "--prompt", "b"],
            ["eval", "--model", tuned.ModelFile, "--max-new-tokens", "4", "--harmful", tuned.Questions, "--task", tuned.Questions, "--compare", Tool.AlignedModel],
            ["eval", "--help"], ["finetune", "--help"], ["compare", "--help"], ["finetune", "--aligned", "nowhere", "--data", "x", "--out", "y", "--rank", "many"],
        })
        {
            using StringWriter output = new(), error = new();
            await AsftTool.RunAsync(args, new ToolConsole(output, error, TextReader.Null, width: width), TestContext.Current.CancellationToken);
            Assert.NotEmpty($"{output}{error}");
            foreach (var line in $"{output}\n{error}".Split('\n'))
                Assert.True(line.TrimEnd().GetCellWidth() <= width || !line.Trim().Contains(' '), $"{args[0]} at {width}: {line}");
        }
    }

    [Theory]
    [InlineData(80, "Fine-tuning  loss 0.947  penalty 0.0000  3 s left")]
    [InlineData(44, "Fine-tuning  loss 0.947  penalty 0.0000")]
    [InlineData(30, "Fine-tuning  3 s left")]
    [InlineData(12, "Fine-tuning")]
    public void A_live_line_says_what_it_has_room_for(int room, string expected) =>
        Assert.Equal(expected, ProgressDisplay.Describe("Fine-tuning", new WorkState(1, 4, "loss 0.947  penalty 0.0000", Remaining: TimeSpan.FromSeconds(3)), room));

    private static string[] Rendered(ResultTable table, int width)
    {
        using var output = new StringWriter();
        new ToolConsole(output, TextWriter.Null, TextReader.Null, width: width).Ansi.Write(table);
        return [.. output.ToString().Split('\n').Select(line => line.TrimEnd())];
    }
}
