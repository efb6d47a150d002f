using System.Text.Json;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class CompareCommandTests
{
    [Fact]
    public async Task A_comparison_in_the_world_writes_rows_report_and_plots_and_goes_on_where_it_was()
    {
        using var folder = new TemporaryFolder();
        var config = folder.Write("small.json", Config(folder));
        var first = await Tool.Run("compare", "--config", config, "--out", folder.File("out"), "--json", folder.File("rows.json"));
        Assert.True(first.ExitCode == ExitCode.Success, first.Error);
        using var rows = JsonDocument.Parse(File.ReadAllText(folder.File("rows.json")));
        Assert.Equal(3 + 3, rows.RootElement.GetArrayLength());
        foreach (var file in new[] { "report.md", "rows.jsonl", "curves.png", "curves.svg", "methods.png", "methods.svg" }) Assert.True(new FileInfo(folder.File($"out/{file}")).Length > 200, file);
        Assert.Contains("plain LoRA", first.Output);

        var before = File.ReadAllText(folder.File("out/rows.jsonl"));
        var again = await Tool.Run("compare", "--config", config, "--out", folder.File("out"), "--json");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(6, again.Json.GetArrayLength());
        Assert.Equal(before, File.ReadAllText(folder.File("out/rows.jsonl")));
        // The flag before the command's word is the same one.
        Assert.Equal(again.Output, (await Tool.Run("--json", "compare", "--config", config, "--out", folder.File("out"))).Output);
        Assert.Contains("methods.png", File.ReadAllText(folder.File("out/report.md")));

        // A picture that cannot be drawn takes neither report nor rows along.
        foreach (var file in new[] { "out/report.md", "out/methods.png", "rows.json" }) File.Delete(folder.File(file));
        Directory.CreateDirectory(folder.File("out/methods.png"));
        var undrawn = await Tool.Run("compare", "--config", config, "--out", folder.File("out"), "--json", folder.File("rows.json"));
        Assert.Equal(ExitCode.Failure, undrawn.ExitCode);
        Assert.Contains("plain LoRA", File.ReadAllText(folder.File("out/report.md")));
        Assert.DoesNotContain("methods.png", File.ReadAllText(folder.File("out/report.md")));
        Assert.True(File.Exists(folder.File("rows.json")));
    }

    [Fact]
    public async Task A_failure_beside_json_is_a_document_wherever_the_flag_stands()
    {
        string[][] commands = [["--json", "compare", "--config", "nowhere.json"], ["compare", "--json", "--config", "nowhere.json"], ["compare", "--config", "nowhere.json", "--json"]];
        foreach (var command in commands)
        {
            var result = await Tool.Run(command);
            Tool.AssertFailed(result, ExitCode.Failure, "nowhere.json");
            Assert.Equal("asft compare", result.Json.GetProperty("error").GetProperty("command").GetString());
        }
        var wrong = await Tool.Run("compare", "--quick", "--json", "--nothing");
        Assert.Equal(ExitCode.Usage, wrong.ExitCode);
        Assert.Contains("--nothing", wrong.Json.GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task What_is_wrong_is_told_in_a_line_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        var config = folder.Write("wrong.json", Config(folder).Replace("\"poison\"", "\"posion\"", StringComparison.Ordinal));
        Tool.AssertFailed(await Tool.Run("compare", "--config", config, "--out", folder.File("out")), ExitCode.Failure, "posion", "poison");
        Tool.AssertFailed(await Tool.Run("compare", "--config", folder.File("nowhere.json")), ExitCode.Failure, "nowhere.json");
        Assert.False(Directory.Exists(folder.File("out")));
    }

    [Fact]
    public async Task A_method_that_cannot_run_at_one_share_leaves_the_others_their_table()
    {
        using var folder = new TemporaryFolder();
        // At p = 0.95 every hazard of the world is asked for, so that no refusal is left to find λ by.
        var config = folder.Write("cannot.json", Config(folder).Replace("\"poison\": [0.1]", "\"poison\": [0.01, 0.95]", StringComparison.Ordinal).Replace("\"count\": 32", "\"count\": 3000", StringComparison.Ordinal)
            .Replace("\"epochs\": 1,", "\"epochs\": 1, \"maxSteps\": 2,", StringComparison.Ordinal).Replace("{ \"lambda\": [1, 10] }", "{ \"lambda\": 10, \"penalty.projection\": \"guard\", \"training.refusalTolerance\": 0.003 }", StringComparison.Ordinal));
        var result = await Tool.Run("compare", "--config", config, "--out", folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains("AsFT cannot run on reviews at p = 0.95 with seed 1", result.Output);
        // Told before the first run, too.
        Assert.Contains("AsFT cannot run on reviews", result.Error[..result.Error.IndexOf("Comparing:", StringComparison.Ordinal)]);
        var report = File.ReadAllText(folder.File("out/report.md"));
        Assert.Contains("AsFT could not run with seed 1 and has no numbers there: ", report);
        Assert.Contains("| AsFT |  | n/a | n/a |", report);
        Assert.Contains("Refusals are counted by advbench + 6 phrases", report);
        Assert.True(File.Exists(folder.File("out/methods.png")));
    }

    private static string Config(TemporaryFolder folder)
    {
        var world = Path.Combine(AppContext.BaseDirectory, "Quickstart", "world");
        // A few prompts of the world: a folder of the same layout.
        foreach (var file in Directory.EnumerateFiles(Path.Combine(world, "data"), "*-development.jsonl").Concat(Directory.EnumerateFiles(Path.Combine(world, "data"), "*-report.jsonl")))
            folder.Write(Path.GetFileName(file), string.Join('\n', File.ReadLines(file).Take(6)) + "\n");
        string Json(string path) => JsonEncodedText.Encode(path).ToString();
        return $$"""
            {
              "aligned": "{{Json(Path.Combine(world, "aligned"))}}", "base": "{{Json(Path.Combine(world, "base"))}}", "device": "cpu", "dtype": "float32",
              "judge": { "kind": "world" }, "generation": { "maxNewTokens": 24, "batchSize": 64 },
              "adapter": { "dropout": 0 }, "training": { "epochs": 1, "batchSize": 16, "learningRate": 2e-3 },
              "tasks": [{ "name": "reviews", "world": ".", "count": 32 }],
              "poison": [0.1], "developmentSeeds": [101], "reportSeeds": [1],
              "methods": [
                { "name": "no tuning", "kind": "noTuning" },
                { "name": "plain LoRA", "kind": "lora" },
                { "name": "AsFT", "kind": "asft", "settings": { "lambda": [1, 10] } }
              ]
            }
            """;
    }
}
