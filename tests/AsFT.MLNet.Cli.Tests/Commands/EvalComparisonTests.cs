using System.Text.Json;

namespace AsFT.MLNet.Cli.Tests.Commands;

[Collection(nameof(FineTuned))]
public sealed class EvalComparisonTests(FineTuned tuned)
{
    [Fact]
    public async Task A_folder_beside_a_pipeline_is_asked_with_its_template_unless_another_is_given()
    {
        using var folder = new TemporaryFolder();
        var saved = folder.File("answers.jsonl");
        var asked = await Tool.Run("eval", "--model", tuned.ModelFile, "--max-new-tokens", "12", "--harmful", tuned.Questions, "--save-answers", saved);
        Assert.True(asked.ExitCode == ExitCode.Success, asked.Error);
        // The pipeline's own answers as the right ones: whoever is asked in the same way is always right.
        var task = folder.Write("task.jsonl", string.Join('\n', File.ReadLines(saved).Select(line => JsonDocument.Parse(line).RootElement)
            .Select(row => JsonSerializer.Serialize(new { instruction = row.GetProperty("prompt").GetString(), output = row.GetProperty("response").GetString() }))));
        string[] compare = ["eval", "--model", tuned.ModelFile, "--max-new-tokens", "12", "--task", task, "--compare", Tool.AlignedModel, "--compare-adapter", tuned.Adapter, "--json"];
        Assert.Equal((100, 100), Accuracies(await Tool.Run(compare)));
        var (other, own) = Accuracies(await Tool.Run([.. compare, "--template", "llama2"]));
        Assert.Equal(100, own);
        Assert.True(other < 100);
        Tool.AssertFailed(await Tool.Run("eval", "--model", tuned.ModelFile, "--task", task, "--template", "llama2"), ExitCode.Usage, "--template");
    }

    private static (double Other, double Own) Accuracies(Tool.Result result)
    {
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        var pairs = result.Json.GetProperty("comparison").GetProperty("accuracy");
        return (pairs.GetProperty("first").GetDouble(), pairs.GetProperty("second").GetDouble());
    }
}
