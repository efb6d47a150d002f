using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests.Output;

public sealed class OutputFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Out => _folder.File("out");

    private string[] FineTune => ["finetune", "--aligned", "a", "--data", "d.jsonl", "--lambda", "1", "--out", Out];

    [Fact]
    public void The_same_command_line_may_write_over_what_it_made_in_whatever_order_it_is_typed()
    {
        Make(FineTune);
        Claim(false, FineTune).Dispose();
        Claim(false, "finetune", "--out", Path.GetRelativePath(Directory.GetCurrentDirectory(), Out) + "/", "--lambda", "1", "--data", "./d.jsonl", "--aligned", "a", "--resume", "--json").Dispose();
    }

    [Fact]
    public void Other_arguments_need_force_unless_the_run_goes_on_from_there()
    {
        Make(FineTune);
        string[] other = [.. FineTune, "--rank", "4"];
        var refused = Assert.Throws<IOException>(() => Claim(false, other));
        Assert.Contains("finished output of asft finetune with other arguments", refused.Message);
        Assert.Contains("--force", refused.Message);
        Claim(true, other).Dispose();
        Claim(false, true, other).Dispose();
        // A forced run that came to nothing leaves the first one's protection.
        Assert.Throws<IOException>(() => Claim(false, other));
    }

    [Fact]
    public void Another_command_needs_force()
    {
        Make(FineTune);
        var refused = Assert.Throws<IOException>(() => Claim(false, true, "basin", "--out", Out));
        Assert.Contains("another command (asft finetune, finished 2", refused.Message);
        Claim(true, "basin", "--out", Out).Dispose();
    }

    [Fact]
    public void A_product_that_nobody_recorded_needs_force()
    {
        Directory.CreateDirectory(Out);
        File.WriteAllText(Path.Combine(Out, "note.txt"), "mine");
        Claim(false, FineTune).Dispose();
        File.WriteAllText(Path.Combine(Out, "product"), "mine");
        Assert.Contains("'product'", Assert.Throws<IOException>(() => Claim(false, FineTune)).Message);
        Claim(true, FineTune).Dispose();
        Assert.Equal(["note.txt", "product"], Directory.EnumerateFileSystemEntries(Out).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_second_run_at_once_is_told_whose_the_folder_is()
    {
        using (Claim(false, FineTune))
        {
            var refused = Assert.Throws<IOException>(() => Claim(true, "basin", "--out", Out));
            Assert.Contains($"another run (asft finetune, process {Environment.ProcessId}, since 2", refused.Message);
        }
        Assert.False(Directory.Exists(Out));
        using (OutputFolder.Reserve(_folder.File("checkpoints"))) Assert.Throws<IOException>(() => OutputFolder.Reserve(_folder.File("checkpoints")));
    }

    [Fact]
    public void What_a_killed_run_left_stops_nobody()
    {
        Directory.CreateDirectory(Out);
        File.WriteAllText(Path.Combine(Out, OutputLock.FileName), "");
        new RunRecord("asft finetune", "0", 1, DateTimeOffset.Now, null).Write(Out);
        File.WriteAllText(Path.Combine(Out, "product"), "half");
        Make(FineTune);
        Assert.Equal([RunRecord.FileName, "product"], Directory.EnumerateFileSystemEntries(Out).Select(Path.GetFileName).Order());
        // The record names no place of this machine.
        Assert.DoesNotContain(_folder.FullName, File.ReadAllText(Path.Combine(Out, RunRecord.FileName)));
    }

    [Fact]
    public async Task A_command_ends_with_one_line_and_touches_nothing_while_another_writes()
    {
        using (Claim(false, FineTune))
            Tool.AssertFailed(await Tool.Run("basin", "--max-prompts", "1", "--points", "3", "--out", Out), ExitCode.Failure, "being written to by another run (asft finetune, process ");
    }

    [Theory]
    [InlineData("eval", "--answers", "x.jsonl", "--save-answers", "./x.jsonl")]
    [InlineData("eval", "--answers", "x.jsonl", "--json-file", "y", "--markdown", "y")]
    [InlineData("generate", "--model", "m", "--data", "x.jsonl", "--out", "x.jsonl")]
    [InlineData("compare", "--config", "x.json", "--json", "x.json")]
    public async Task A_result_is_not_written_over_what_it_is_made_from(params string[] args) =>
        Tool.AssertFailed(await Tool.Run(args), ExitCode.Usage, "names the same file");

    [Fact]
    public async Task A_direction_does_not_replace_other_tensors()
    {
        var weights = Path.Combine(_folder.CopyOf(Tool.AlignedModel), "model.safetensors");
        string[] write = ["direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--out"];
        Tool.AssertFailed(await Tool.Run([.. write, weights]), ExitCode.Failure, "is no alignment direction", "--force");
        foreach (var _ in new[] { 1, 2 }) Assert.Equal(ExitCode.Success, (await Tool.Run([.. write, _folder.File("d.safetensors")])).ExitCode);
        Assert.Equal(ExitCode.Success, (await Tool.Run([.. write, weights, "--force"])).ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    private static OutputFolder Claim(bool isForced, params string[] args) => Claim(isForced, false, args);

    private static OutputFolder Claim(bool isForced, bool goesOn, params string[] args)
    {
        var console = new ToolConsole(TextWriter.Null, TextWriter.Null, TextReader.Null);
        var parse = AsftTool.CreateRoot(console).Parse(args);
        Assert.Empty(parse.Errors);
        return OutputFolder.Claim(new ToolRun(parse, console, CancellationToken.None), parse.GetValue<string>("--out")!, isForced, ["product"], goesOn);
    }

    private static void Make(string[] args)
    {
        using var folder = Claim(false, args);
        File.WriteAllText(folder.Path("product"), "whole");
        folder.Keep();
    }
}
