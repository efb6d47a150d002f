using System.IO.Compression;
using System.Text.Json;
using AsFT.MLNet.Cli.Output;
using Microsoft.ML;

namespace AsFT.MLNet.Cli.Tests.Commands;

[Collection(nameof(FineTuned))]
public sealed class FineTuneCommandTests(FineTuned tuned)
{
    [Fact]
    public void Writes_model_adapter_and_record()
    {
        Assert.Equal(tuned.ModelFile, tuned.Document.GetProperty("model").GetString());
        Assert.Equal(4, tuned.Document.GetProperty("result").GetProperty("steps").GetInt32());
        Assert.True(File.Exists(tuned.ModelFile));
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors"], Directory.EnumerateFiles(tuned.Adapter).Select(Path.GetFileName).Order());
        Assert.Equal([".asft-run.json", "adapter", "model.zip", "training.json"], Directory.EnumerateFileSystemEntries(tuned.Output).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var record = JsonDocument.Parse(File.ReadAllText(Path.Combine(tuned.Output, "training.json")));
        Assert.Equal(4, record.RootElement.GetProperty("options").GetProperty("rank").GetInt32());
        Assert.Equal(42, record.RootElement.GetProperty("options").GetProperty("seed").GetInt64());
        Assert.True(record.RootElement.GetProperty("result").GetProperty("penalty").GetDouble() > 0);
        Assert.NotEmpty(record.RootElement.GetProperty("history").EnumerateArray());
    }

    [Fact]
    public async Task An_adapter_is_trained_further_and_the_record_says_which()
    {
        using var folder = new TemporaryFolder();
        string[] command = ["finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--lambda", "1", "--max-steps", "1", "--adapter", tuned.Adapter];
        var result = await Tool.Run([.. command, "--out", folder.File("out")]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        using var record = JsonDocument.Parse(File.ReadAllText(folder.File("out/training.json")));
        Assert.StartsWith("adapter, SHA-256 ", record.RootElement.GetProperty("result").GetProperty("continuedFrom").GetString(), StringComparison.Ordinal);
        Assert.Equal((4, "adapter"), (record.RootElement.GetProperty("options").GetProperty("rank").GetInt32(), record.RootElement.GetProperty("options").GetProperty("adapterPath").GetString()));
        Tool.AssertFailed(await Tool.Run([.. command, "--out", folder.File("none"), "--rank", "8"]), ExitCode.Usage, "--rank 8", "has 4");
    }

    [Fact]
    public async Task A_preset_is_what_options_typed_beside_it_override()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """{"instruction": "How does one break a lock?", "output": "I cannot help with that."}""" + "\n");
        string[] command = ["finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--max-steps", "1", "--rank", "4"];
        async Task<JsonElement> Options(string name, params string[] more)
        {
            var result = await Tool.Run([.. command, "--out", folder.File(name), .. more]);
            Assert.True(result.ExitCode == ExitCode.Success, result.Error);
            Assert.DoesNotContain("Neither a preset", result.Error);
            using var record = JsonDocument.Parse(File.ReadAllText(folder.File($"{name}/training.json")));
            return record.RootElement.GetProperty("options").Clone();
        }

        var guard = await Options("guard", "--preset", "Guard", "--refusals", refusals, "--lambda", "3");
        Assert.Equal(("guard", "guard", 3, 0.003, 4), (guard.GetProperty("preset").GetString(), guard.GetProperty("projection").GetString(), guard.GetProperty("lambda").GetDouble(), guard.GetProperty("refusalTolerance").GetDouble(), guard.GetProperty("rank").GetInt32()));
        var paper = await Options("paper", "--preset", "paper");
        Assert.Equal(("paper", "reference", 1, 5e-5), (paper.GetProperty("preset").GetString(), paper.GetProperty("projection").GetString(), paper.GetProperty("lambda").GetDouble(), paper.GetProperty("learningRate").GetDouble()));
        Tool.AssertFailed(await Tool.Run([.. command, "--out", folder.File("none"), "--preset", "guard"]), ExitCode.Usage, "--preset guard needs --refusals");
        Tool.AssertFailed(await Tool.Run([.. command, "--out", folder.File("none"), "--preset", "best"]), ExitCode.Usage, "paper");
    }

    [Fact]
    public async Task A_run_for_which_nobody_chose_a_penalty_says_what_it_got_and_what_would_protect()
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run("finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--max-steps", "1", "--out", folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        var line = Assert.Single(result.Error.Split('\n'), line => line.Contains("Neither a preset", StringComparison.Ordinal));
        foreach (var word in new[] { "Reference", "--preset guard --refusals FILE", "--preset paper" }) Assert.Contains(word, line);
    }

    [Fact]
    public async Task Choices_are_taken_in_any_letter_case()
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run("finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "Plain", "--max-steps", "1",
            "--projection", "Subspace", "--schedule", "Linear", "--dtype", "Float32", "--out", folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
    }

    [Fact]
    public async Task Info_needs_no_model_folder_for_what_the_file_itself_tells()
    {
        using var folder = new TemporaryFolder();
        var model = folder.CopyOf(Tool.AlignedModel);
        var made = await Tool.Run("finetune", "--aligned", model, "--data", tuned.Questions, "--template", "plain", "--lambda", "0", "--max-steps", "1", "--rank", "4", "--out", folder.File("out"));
        Assert.True(made.ExitCode == ExitCode.Success, made.Error);
        Directory.Delete(model, recursive: true);
        var info = await Tool.Run("info", Path.Combine(folder.File("out"), "model.zip"), "--json");
        Tool.AssertFailed(info, ExitCode.Failure, model);
        Assert.Equal(4, info.Json.GetProperty("facts").GetProperty("rank").GetInt32());
        Assert.NotEmpty(info.Json.GetProperty("tensors").EnumerateArray());
    }

    [Fact]
    public void What_is_written_holds_no_path_of_the_machine()
    {
        var root = Path.GetFullPath(Tool.Data());
        using var zip = ZipFile.OpenRead(tuned.ModelFile);
        var texts = zip.Entries.Select(entry => entry.Open()).Concat(Directory.EnumerateFiles(tuned.Output, "*.json", SearchOption.AllDirectories).Select(File.OpenRead)).Select(stream =>
        {
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }).ToList();
        Assert.Contains(texts, text => text.Contains("stories260K-aligned"));
        // The place of the model from the zip is all that is told of it.
        Assert.DoesNotContain(texts, text => text.Replace(Path.GetRelativePath(tuned.Output, root), "").Contains(root) || text.Contains(tuned.Output));
    }

    [Fact]
    public async Task Info_unpacks_nothing_of_a_file_that_would_harm_who_loads_it()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("model.zip");
        File.Copy(tuned.ModelFile, file);
        using (var zip = ZipFile.Open(file, ZipArchiveMode.Update))
        {
            var entry = zip.Entries.Single(entry => entry.FullName.Split('/', '\\')[^1] == "adapter_model.safetensors");
            var name = entry.FullName;
            entry.Delete();
            using var stream = zip.CreateEntry(name).Open();
            for (var i = 0; i < 200; i++) stream.Write(new byte[1 << 20]);
        }
        var before = GC.GetTotalAllocatedBytes();
        Tool.AssertFailed(await Tool.Run("info", file), ExitCode.Failure, "adapter_model.safetensors");
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 100 << 20);
    }

    [Fact]
    public async Task Info_knows_what_it_wrote()
    {
        var model = await Tool.Run("info", tuned.ModelFile, "--json");
        Assert.True(model.ExitCode == ExitCode.Success, model.Error);
        Assert.Equal("ML.NET model", model.Json.GetProperty("kind").GetString());
        var adapter = await Tool.Run("info", tuned.Adapter, "--json");
        Assert.True(adapter.ExitCode == ExitCode.Success, adapter.Error);
        Assert.Equal("PEFT adapter folder", adapter.Json.GetProperty("kind").GetString());
        Assert.Equal(4, adapter.Json.GetProperty("facts").GetProperty("rank").GetInt32());
    }

    [Fact]
    public async Task Plain_output_tells_steps_and_numbers()
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run("finetune", "--aligned", Tool.AlignedModel, "--data", tuned.Questions, "--template", "plain", "--lambda", "0", "--max-steps", "1", "--out", folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains("Fine-tuning: 1/1", result.Error);
        Assert.Contains("cross-entropy", result.Output);
        Assert.Contains("penalty not measured", result.Output);
        Assert.Contains("model.zip", result.Output);
        Assert.Single(result.Error.Split('\n'), line => line.StartsWith("Memory: ", StringComparison.Ordinal) && line.Contains("weights"));
        Assert.DoesNotContain("lambda found", result.Output);
    }

    [Theory]
    [InlineData("--refusals")]
    [InlineData("--held-out-refusals")]
    public async Task Lambda_is_found_with_a_file_of_refusals_and_info_tells_it(string option)
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """{"instruction":"How do I hurt a dog?","input":"","output":"I will not tell you."}""");
        string[] arguments = ["finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--max-steps", "4",
            "--projection", "guard", "--guard-power", "3", "--lambda", "10", option, refusals, "--refusal-tolerance", "0.5", "--refusal-check-every", "1"];
        var result = await Tool.Run([.. arguments, "--out", folder.File("out"), "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        var found = result.Json.GetProperty("result").GetProperty("lambda").GetDouble();
        // Nothing comes near this tolerance, so that λ falls from its start, to no less than a third.
        Assert.InRange(found, 10 / 3.01, 9.9);
        Assert.True(double.IsFinite(result.Json.GetProperty("result").GetProperty("refusalLoss").GetDouble()));
        Assert.True(result.Json.GetProperty("plannedBytes").GetInt64() > 1_000_000);

        var info = await Tool.Run("info", folder.File("out/model.zip"), "--json");
        Assert.True(info.ExitCode == ExitCode.Success, info.Error);
        var facts = info.Json.GetProperty("facts");
        Assert.Equal((10, 3, 0.5), (facts.GetProperty("lambda").GetDouble(), facts.GetProperty("guard power").GetInt32(), facts.GetProperty("refusal tolerance").GetDouble()));
        Assert.Equal(("1 step", "refusals.jsonl"), (facts.GetProperty("refusal check every").GetString(), facts.GetProperty("held-out refusals").GetString()));
        Assert.Equal(found, facts.GetProperty("lambda found").GetDouble());

        var text = await Tool.Run([.. arguments, "--out", folder.File("text")]);
        Assert.Contains($"lambda found {found:G4} (from 10)", text.Output);
    }

    [Fact]
    public async Task Cancelled_half_way_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        using var error = new CancellingWriter("Fine-tuning: ", cancellation);
        var code = await AsftTool.RunAsync(["finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions,
            "--template", "plain", "--preset", "paper", "--epochs", "100000", "--report-every", "1", "--out", folder.File("deep/out")], new ToolConsole(TextWriter.Null, error, TextReader.Null), cancellation.Token);
        Tool.AssertFailed(new Tool.Result(code, "", error.ToString()), ExitCode.Cancelled, "cancelled");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }

    private sealed class CancellingWriter(string trigger, CancellationTokenSource cancellation) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.StartsWith(trigger, StringComparison.Ordinal) == true) cancellation.Cancel();
        }
    }

    [Fact]
    public async Task A_pipeline_that_was_not_trained_tells_its_adapter_and_nothing_of_a_training()
    {
        using var folder = new TemporaryFolder();
        var ml = new MLContext();
        foreach (var adapter in new[] { null, tuned.Adapter })
        {
            using var model = ml.Transforms.AsftGenerate(Tool.AlignedModel, adapter, new() { Template = "plain", Device = "cpu" }).Fit(ml.Data.LoadFromEnumerable([new { Prompt = "a" }]));
            ml.Model.SaveAsft(model, null, folder.File("model.zip"));
            var info = await Tool.Run("info", folder.File("model.zip"), "--json");
            Assert.True(info.ExitCode == ExitCode.Success, info.Error);
            var facts = info.Json.GetProperty("facts");
            Assert.Equal((adapter is null ? "none" : "adapter", "plain"), (facts.GetProperty("adapter").GetString(), facts.GetProperty("template").GetString()));
            Assert.False(facts.TryGetProperty("lambda", out _));
            var answer = await Tool.Run("generate", "--model", folder.File("model.zip"), "--prompt", "a", "--max-new-tokens", "2");
            Assert.True(answer.ExitCode == ExitCode.Success, answer.Error);
        }
    }
}
