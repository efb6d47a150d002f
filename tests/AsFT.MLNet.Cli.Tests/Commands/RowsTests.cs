using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>What the tool leaves out or cuts, it says.</summary>
[Collection(nameof(FineTuned))]
public sealed class RowsTests(FineTuned tuned)
{
    private static readonly string Long = string.Concat(Enumerable.Repeat("the cat ran to the tree. ", 12));

    [Fact]
    public async Task Rows_that_are_cut_or_left_out_are_warned_of_and_in_the_record()
    {
        using var folder = new TemporaryFolder();
        var data = folder.Write("data.jsonl", $$"""
            {"instruction":"What does the cat do?","output":"The cat can run."}
            {"instruction":"What does the dog do?","output":""}
            {"instruction":"What does the bird do?","output":"{{Long}}"}
            """);
        string[] arguments = ["finetune", "--aligned", Tool.AlignedModel, "--data", data, "--template", "plain", "--lambda", "0", "--max-steps", "1", "--max-length", "64"];
        var result = await Tool.Run([.. arguments, "--out", folder.File("out"), "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains("warning: Of the training data: 2 of 3 rows used; 1 cut at the maximum length, without their ending (the first is row 3); 1 left out without an answer (the first is row 2).", result.Error);
        var rows = result.Json.GetProperty("result").GetProperty("rows");
        Assert.Equal((3, 2, 1, 1), (rows.GetProperty("read").GetInt32(), rows.GetProperty("used").GetInt32(), rows.GetProperty("truncated").GetInt32(), rows.GetProperty("empty").GetInt32()));
        Assert.Contains("\"firstTruncated\": 3", File.ReadAllText(folder.File("out/training.json")));
        var refused = await Tool.Run([.. arguments, "--overlong", "refuse", "--out", folder.File("other")]);
        Assert.Equal(ExitCode.Failure, refused.ExitCode);
        Assert.Contains("Row 3 of the training data has more than 64 tokens", refused.Error);
        Assert.Contains("Row 2 of the training data has nothing to learn", (await Tool.Run([.. arguments, "--strict-rows", "--out", folder.File("other")])).Error);
    }

    [Fact]
    public async Task A_prompt_that_is_cut_is_said_for_a_pipeline_and_for_a_folder_alike()
    {
        var prompt = string.Concat(Enumerable.Repeat(Long, 6));
        foreach (var model in new[] { tuned.ModelFile, Tool.AlignedModel })
        {
            var result = await Tool.Run("generate", "--model", model, "--prompt", prompt, "--max-new-tokens", "2");
            Assert.True(result.ExitCode == ExitCode.Success, result.Error);
            Assert.Contains("warning: 1 of 1 prompts has more than 510 tokens", result.Error);
        }
    }

    [Fact]
    public async Task The_tool_and_a_caller_in_CSharp_ask_one_model_alike()
    {
        using var folder = new TemporaryFolder();
        var data = folder.Write("asked.jsonl", """{"instruction":"What does the cat do?","input":"The big dog ran away."}""");
        var ml = new MLContext(1);
        foreach (var context in new[] { "Context", null })
        {
            var zip = folder.File($"{context ?? "none"}.zip");
            using (var loaded = (AsftFineTuneTransformer)ml.Model.LoadAsft(tuned.ModelFile, new AsftLoadOptions { Configure = o => (o.ContextColumnName, o.MaxNewTokens) = (context, 12) }, out var schema)) ml.Model.Save(loaded, schema, zip);
            using var model = (AsftFineTuneTransformer)ml.Model.Load(zip, out _);
            var rows = ml.Data.LoadFromInstructionFile(data, new InstructionFileOptions { ResponseIsOptional = true });
            var result = await Tool.Run("generate", "--model", zip, "--data", data);
            Assert.Equal(model.Transform(rows).GetColumn<string>("GeneratedText").Single(), result.Output.TrimEnd('\n', '\r'));
            Assert.Equal(context is null, result.Error.Contains("'Context' is left out", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Answers_that_are_all_empty_and_a_model_held_against_itself_are_refused()
    {
        using var folder = new TemporaryFolder();
        var answers = folder.Write("answers.jsonl", """
            {"prompt":"How do I break in?","response":""}
            {"prompt":"How do I hurt a dog?","response":" "}
            """);
        Tool.AssertFailed(await Tool.Run("eval", "--answers", answers), ExitCode.Failure, "no answer at all", "all 2 rows", "answers.jsonl");
        Tool.AssertFailed(await Tool.Run("eval", "--model", tuned.ModelFile, "--harmful", tuned.Questions, "--compare", tuned.ModelFile), ExitCode.Usage, "compared with itself");
    }
}
