using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests.Commands;

[Collection(nameof(FineTuned))]
public sealed class SignsOfLifeTests(FineTuned tuned) : IDisposable
{
    private static readonly string[] Ask = ["generate", "--model", Tool.AlignedModel, "--template", "plain", "--max-new-tokens", "4", "--batch-size", "1", "--prompt", "one", "--prompt", "two", "--prompt", "three"];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Answers_that_were_finished_stay_when_the_run_is_stopped()
    {
        using var stop = new CancellationTokenSource();
        // The first line asks to stop: the answer below it is there, the next ones are not made.
        using var output = new Watched(line => { if (line.StartsWith("> one", StringComparison.Ordinal)) stop.Cancel(); });
        using var error = new StringWriter();
        Assert.Equal(ExitCode.Cancelled, await AsftTool.RunAsync(Ask, new ToolConsole(output, error, TextReader.Null), stop.Token));
        Assert.StartsWith("> one", output.ToString());
        Assert.DoesNotContain("> two", output.ToString());
        Assert.True(output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length >= 2);
        Assert.Contains("1 of 3 answers were finished", error.ToString());
    }

    [Theory]
    [InlineData("generate folder")]
    [InlineData("generate pipeline")]
    [InlineData("eval folder")]
    public async Task A_file_gets_each_answer_as_it_ends_and_keeps_it(string how)
    {
        using var stop = new CancellationTokenSource();
        var file = _folder.File("answers.jsonl");
        List<int> written = [];
        using var error = new Watched(line =>
        {
            if (!line.StartsWith("Answering", StringComparison.Ordinal)) return;
            written.Add(File.Exists(file) ? File.ReadLines(file).Count() : 0);
            if (written.Count == 2) stop.Cancel();
        });
        string[] args = how switch
        {
            "generate folder" => [.. Ask, "--out", file],
            "generate pipeline" => ["generate", "--model", tuned.ModelFile, "--max-new-tokens", "4", "--batch-size", "1", .. Ask[9..], "--out", file],
            _ => ["eval", .. Ask[1..9], "--harmful", _folder.Write("h.jsonl", "{\"instruction\":\"one\"}\n{\"instruction\":\"two\"}\n{\"instruction\":\"three\"}\n"), "--save-answers", file],
        };
        Assert.Equal(ExitCode.Cancelled, await AsftTool.RunAsync(args, new ToolConsole(TextWriter.Null, error, TextReader.Null), stop.Token));
        Assert.Equal([0, 1], written);
        Assert.Single(File.ReadAllLines(file));
        Assert.Contains($"1 of 3 answers were finished and are in '{file}'", error.ToString());
        // The whole run writes over it, and eval takes the file.
        Assert.Equal(ExitCode.Success, (await Tool.Run(args)).ExitCode);
        Assert.Equal(3, File.ReadAllLines(file).Length);
        Assert.Equal(ExitCode.Success, (await Tool.Run("eval", "--answers", file)).ExitCode);
    }

    [Fact]
    public async Task A_file_that_holds_no_answers_is_not_written_over()
    {
        var file = _folder.Write("notes.txt", "mine\n");
        Tool.AssertFailed(await Tool.Run([.. Ask, "--out", file]), ExitCode.Failure, "holds no answers", "--force");
        Tool.AssertFailed(await Tool.Run("eval", "--answers", "x.jsonl", "--save-answers", file), ExitCode.Failure, "holds no answers", "--force");
        Assert.Equal("mine\n", File.ReadAllText(file));
        using (OutputLock.TryTakeFile(_folder.File("a.jsonl"))) Tool.AssertFailed(await Tool.Run([.. Ask, "--out", _folder.File("a.jsonl")]), ExitCode.Failure, "being written to by another run");
        Assert.Equal([file], Directory.EnumerateFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public async Task Progress_goes_to_stderr_and_json_has_none()
    {
        string[] eval = ["eval", "--model", tuned.ModelFile, "--max-new-tokens", "4", "--harmful", tuned.Questions];
        var text = await Tool.Run(eval);
        Assert.Contains("Loading", text.Error);
        Assert.Contains("Answering: 0/3", text.Error);
        Assert.Contains("Answering: 3/3", text.Error);
        Assert.DoesNotContain("Answering", text.Output);
        var json = await Tool.Run([.. eval, "--json"]);
        Assert.Equal(3, json.Json.GetProperty("harmful").GetProperty("refusals").GetProperty("total").GetInt32());
        Assert.Empty(json.Error);
        Assert.Equal(3, (await Tool.Run([.. Ask, "--json"])).Json.GetArrayLength());
    }

    [Fact]
    public async Task A_fine_tune_tells_what_it_loads_and_its_first_step()
    {
        var result = await Tool.Run("finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--max-steps", "3", "--rank", "2", "--out", _folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        string[] expected = ["Reading the training rows", "Memory:", "Loading", "Alignment direction", "Penalty", "Fine-tuning: 1/3", "Fine-tuning: 3/3", "Writing"];
        var at = expected.Select(words => result.Error.IndexOf(words, StringComparison.Ordinal)).ToArray();
        Assert.True(at.All(i => i >= 0) && at.SequenceEqual(at.Order()), result.Error);
        Assert.DoesNotContain("Fine-tuning:", result.Output);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A writer that somebody looks at.</summary>
    private sealed class Watched(Action<string> look) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            look(value ?? "");
        }
    }
}
