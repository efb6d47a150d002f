using AsFT.Torch.Checkpoints;

namespace AsFT.MLNet.Cli.Tests.Commands;

[Collection(nameof(FineTuned))]
public sealed class MergeCommandTests(FineTuned tuned)
{
    [Fact]
    public async Task A_folder_with_a_model_is_not_written_over() =>
        Tool.AssertFailed(await Tool.Run("merge", "--model", Tool.AlignedModel, "--adapter", tuned.Adapter, "--out", Tool.BaseModel), ExitCode.Failure, "holds another model already");

    [Fact]
    public async Task An_adapter_of_another_model_is_refused_unless_it_is_allowed()
    {
        using var folder = new TemporaryFolder();
        string[] merge = ["merge", "--model", Tool.BaseModel, "--adapter", tuned.Adapter, "--out", folder.File("out")];
        Tool.AssertFailed(await Tool.Run(merge), ExitCode.Failure, "another model", "--allow-other-model");
        Assert.False(Directory.Exists(folder.File("out")));
        var allowed = await Tool.Run([.. merge, "--allow-other-model"]);
        Assert.Equal(ExitCode.Success, allowed.ExitCode);
        Assert.Contains("trained on another model", allowed.Error);
    }

    [Fact]
    public async Task An_adapter_that_names_no_model_is_taken_as_given_and_that_is_said()
    {
        using var folder = new TemporaryFolder();
        var adapter = folder.CopyOf(tuned.Adapter);
        var weights = Path.Combine(adapter, "adapter_model.safetensors");
        using (TorchSharp.torch.NewDisposeScope())
        {
            List<KeyValuePair<string, TorchSharp.torch.Tensor>> tensors;
            using (var file = SafetensorsFile.Open(weights)) tensors = [.. file.Entries.Keys.Select(name => KeyValuePair.Create(name, file.Read(name)))];
            SafetensorsWriter.Write(weights, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        }
        var result = await Tool.Run("merge", "--model", Tool.AlignedModel, "--adapter", adapter, "--out", folder.File("out"));
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => line.Contains(adapter));
    }

    [Fact]
    public async Task A_folder_that_is_no_adapter_is_named()
    {
        using var folder = new TemporaryFolder();
        Tool.AssertFailed(await Tool.Run("merge", "--model", Tool.AlignedModel, "--adapter", folder.FullName, "--out", folder.File("out")), ExitCode.Failure, "adapter_config.json");
        Assert.False(Directory.Exists(folder.File("out")));
    }
}
