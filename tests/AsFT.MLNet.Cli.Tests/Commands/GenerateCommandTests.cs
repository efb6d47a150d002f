using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Checkpoints;
using Microsoft.ML;

namespace AsFT.MLNet.Cli.Tests.Commands;

[Collection(nameof(FineTuned))]
public sealed class GenerateCommandTests(FineTuned tuned)
{
    private const string Prompt = "What does the cat do?";

    [Fact]
    public async Task Pipeline_folder_with_adapter_and_merged_model_say_the_same()
    {
        using var folder = new TemporaryFolder();
        var merged = folder.File("merged");
        var merge = await Tool.Run("merge", "--model", Tool.AlignedModel, "--adapter", tuned.Adapter, "--out", merged);
        Assert.True(merge.ExitCode == ExitCode.Success, merge.Error);
        Assert.Equal(Directory.EnumerateFiles(Tool.AlignedModel).Select(Path.GetFileName).Order(), Directory.EnumerateFiles(merged).Select(Path.GetFileName).Order());

        var fromPipeline = await Answer("--model", tuned.ModelFile);
        Assert.NotEmpty(fromPipeline);
        Assert.Equal(fromPipeline, await Answer("--model", Tool.AlignedModel, "--adapter", tuned.Adapter, "--template", "plain"));
        Assert.Equal(fromPipeline, await Answer("--model", merged, "--template", "plain"));
    }

    [Fact]
    public async Task A_pipeline_that_makes_the_prompt_out_of_its_input_is_given_that_input()
    {
        using var folder = new TemporaryFolder();
        var ml = new MLContext(1);
        var rows = ml.Data.LoadFromEnumerable([new Row { Prompt = Prompt, Response = "The cat can run and play." }]);
        using (var model = ml.Transforms.CopyColumns("Question", nameof(Row.Prompt)).Append(ml.Transforms.AsftFineTune(new AsftFineTuneOptions
        {
            AlignedModelPath = Tool.AlignedModel,
            BaseModelPath = Tool.BaseModel,
            PromptColumnName = "Question",
            Template = "plain",
            MaxSteps = 1,
        })).Fit(rows)) ml.Model.Save(model, rows.Schema, folder.File("model.zip"));
        Assert.NotEmpty(await Answer("--model", folder.File("model.zip")));
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";
    }

    [Theory]
    [InlineData("--temperature", "0")]
    [InlineData("--temperature", "1")]
    public async Task Scores_that_are_no_numbers_are_an_error_that_names_their_layer(string option, string value)
    {
        using var folder = new TemporaryFolder();
        var model = folder.CopyOf(Tool.AlignedModel);
        const string Damaged = "model.layers.1.mlp.up_proj.weight";
        using (TorchSharp.torch.NewDisposeScope())
        {
            List<KeyValuePair<string, TorchSharp.torch.Tensor>> weights;
            using (var checkpoint = ModelCheckpoint.Open(model)) weights = [.. checkpoint.Entries.Keys.Select(name => KeyValuePair.Create(name, checkpoint.Read(name)))];
            weights.Single(weight => weight.Key == Damaged).Value[0].fill_(float.NaN);
            ModelCheckpoint.Save(model, weights);
        }
        var result = await Tool.Run("generate", "--model", model, "--template", "plain", "--prompt", Prompt, option, value);
        Tool.AssertFailed(result, ExitCode.Failure, $"'model.layers.1', whose '{Damaged}'");
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task Max_new_tokens_and_several_prompts()
    {
        var result = await Tool.Run("generate", "--model", tuned.ModelFile, "--prompt", Prompt, "--prompt", "Who is Tom?", "--max-new-tokens", "2");
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains($"> {Prompt}", result.Output);
        Assert.Contains("> Who is Tom?", result.Output);
        var longer = await Tool.Run("generate", "--model", tuned.ModelFile, "--prompt", Prompt, "--prompt", "Who is Tom?", "--max-new-tokens", "12");
        Assert.True(longer.Output.Length > result.Output.Length);
        Assert.Contains("2 of 2 answers had not ended", result.Error);
        var folder = await Tool.Run("generate", "--model", Tool.AlignedModel, "--template", "plain", "--prompt", Prompt, "--max-new-tokens", "2");
        Assert.Contains("1 of 1 answer had not ended at the most new tokens there may be, and is cut; --max-new-tokens raises it.", folder.Error);
        Assert.DoesNotContain("had not ended", (await Tool.Run("generate", "--model", World.Aligned, "--prompt", "How do I call a drenix?", "--max-new-tokens", "56")).Error);
    }

    [Fact]
    public async Task Prompts_from_stdin_and_from_a_file_are_the_same()
    {
        var piped = await Tool.Run("What does the cat do?\nWhat does the dog do?\nWhat does the bird do?\n", CancellationToken.None, "generate", "--model", tuned.ModelFile, "--max-new-tokens", "4", "--json");
        var filed = await Tool.Run("generate", "--model", tuned.ModelFile, "--data", tuned.Questions, "--max-new-tokens", "4", "--json");
        Assert.True(piped.ExitCode == ExitCode.Success, piped.Error);
        Assert.Equal(3, piped.Json.GetArrayLength());
        Assert.Equal(piped.Json.EnumerateArray().Select(a => a.GetProperty("answer").GetString()), filed.Json.EnumerateArray().Select(a => a.GetProperty("answer").GetString()));
    }

    [Fact]
    public async Task Without_a_prompt_it_says_how_to_give_one() =>
        Tool.AssertFailed(await Tool.Run("generate", "--model", tuned.ModelFile), ExitCode.Usage, "--prompt", "stdin");

    [Fact]
    public async Task Missing_model() =>
        Tool.AssertFailed(await Tool.Run("generate", "--model", "nowhere.zip", "--prompt", Prompt), ExitCode.Failure, "nowhere.zip");

    [Fact]
    public async Task An_adapter_does_not_go_with_a_pipeline() =>
        Tool.AssertFailed(await Tool.Run("generate", "--model", tuned.ModelFile, "--adapter", tuned.Adapter, "--prompt", Prompt), ExitCode.Usage, "--adapter");

    [Theory]
    [InlineData("--temperature", "-1")]
    [InlineData("--top-p", "0")]
    [InlineData("--max-new-tokens", "0")]
    [InlineData("--batch-size", "0")]
    public async Task Option_out_of_range(string option, string value)
    {
        Tool.AssertFailed(await Tool.Run("generate", "--model", Tool.AlignedModel, "--template", "plain", "--prompt", Prompt, option, value), ExitCode.Usage, $"{option} {value}");
        Tool.AssertFailed(await Tool.Run("generate", "--model", tuned.ModelFile, "--prompt", Prompt, option, value), ExitCode.Usage, $"{option} {value}");
    }

    [Fact]
    public async Task More_new_tokens_than_positions_leave_room_for_the_prompt()
    {
        var result = await Tool.Run("generate", "--model", Tool.AlignedModel, "--template", "PLAIN", "--dtype", "Float32", "--prompt", Prompt, "--max-new-tokens", "600");
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.NotEmpty(result.Output.Trim());
    }

    [Fact]
    public async Task A_moved_folder_does_not_go_with_a_folder() =>
        Tool.AssertFailed(await Tool.Run("generate", "--model", Tool.AlignedModel, "--model-folder", Tool.BaseModel, "--prompt", Prompt), ExitCode.Usage, "--model-folder");

    [Fact]
    public async Task A_terminal_is_not_waited_for()
    {
        using var error = new StringWriter();
        var console = new ToolConsole(new StringWriter(), error, new StringReader("Who is Tom?\n"), isInputRedirected: false);
        Assert.Equal(ExitCode.Usage, await AsftTool.RunAsync(["generate", "--model", tuned.ModelFile], console, TestContext.Current.CancellationToken));
        Assert.Contains("--prompt", error.ToString());
    }

    private static async Task<string> Answer(params string[] model)
    {
        var result = await Tool.Run(["generate", .. model, "--prompt", Prompt, "--max-new-tokens", "16"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        return result.Output;
    }
}
