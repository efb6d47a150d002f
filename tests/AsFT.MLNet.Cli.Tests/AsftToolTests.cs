namespace AsFT.MLNet.Cli.Tests;

public sealed class AsftToolTests
{
    public static readonly TheoryData<string> Commands = ["quickstart", "finetune", "generate", "direction", "merge", "info", "eval", "world"];

    [Fact]
    public async Task Help_lists_every_command()
    {
        var result = await Tool.Run("--help");
        Assert.Equal(ExitCode.Success, result.ExitCode);
        foreach (var command in Commands) Assert.Contains($"  {command.Data}", result.Output);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Every_command_explains_itself(string command)
    {
        var result = await Tool.Run(command, "--help");
        Assert.Equal(ExitCode.Success, result.ExitCode);
        Assert.Contains("Usage:", result.Output);
        Assert.Empty(result.Error);
    }

    [Theory]
    [InlineData("generate", "a file that holds no answers")]
    [InlineData("eval", "a file that holds no answers")]
    [InlineData("direction", "a file that is no alignment direction")]
    [InlineData("finetune", "a finished output that another command line made")]
    public async Task The_help_tells_what_force_writes_over(string command, string what) =>
        Assert.Contains($"Write over {what}", (await Tool.Run(command, "--help")).Output);

    [Theory]
    [InlineData("Required command was not provided")]
    [InlineData("There is no command 'dance'", "dance")]
    [InlineData("'PATH' missing", "info")]
    [InlineData("dance", "world", "dance")]
    [InlineData("--bogus", "info", "x", "--bogus")]
    [InlineData("--aligned", "finetune", "--data", "x", "--out", "y")]
    [InlineData("many", "finetune", "--aligned", "a", "--data", "x", "--out", "y", "--rank", "many")]
    [InlineData("diagonal", "finetune", "--aligned", "a", "--data", "x", "--out", "y", "--projection", "diagonal")]
    public async Task Wrong_arguments_end_with_2_and_one_line(string words, params string[] args) =>
        Tool.AssertFailed(await Tool.Run(args), ExitCode.Usage, words, "--help");

    [Fact]
    public async Task Json_failures_are_a_document_too()
    {
        var usage = await Tool.Run("info", "--json");
        Assert.Equal(ExitCode.Usage, usage.Json.GetProperty("error").GetProperty("exitCode").GetInt32());
        var missing = await Tool.Run("info", "no-such-file", "--json");
        Tool.AssertFailed(missing, ExitCode.Failure, "no-such-file");
        Assert.Contains("no-such-file", missing.Json.GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task Verbose_shows_where_it_failed()
    {
        var result = await Tool.Run("info", "no-such-file", "--verbose");
        Assert.Equal(ExitCode.Failure, result.ExitCode);
        Assert.Contains("FileNotFoundException", result.Error);
        Assert.Contains("   at ", result.Error);
    }
}
