namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class DirectionCommandTests
{
    [Fact]
    public async Task A_direction_is_written_described_and_used()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("direction.safetensors");
        var made = await Tool.Run("direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--target-modules", "q_proj", "--out", file, "--json");
        Assert.True(made.ExitCode == ExitCode.Success, made.Error);
        Assert.Equal(5, made.Json.GetProperty("layers").GetArrayLength());
        Assert.All(made.Json.GetProperty("layers").EnumerateArray(), layer => Assert.True(layer.GetProperty("norm").GetDouble() > 0));

        var info = await Tool.Run("info", file, "--json");
        Assert.True(info.ExitCode == ExitCode.Success, info.Error);
        Assert.Equal("alignment direction", info.Json.GetProperty("kind").GetString());

        var data = folder.Write("data.jsonl", """{"instruction": "What?", "input": "", "output": "That."}""");
        string[] finetune = ["finetune", "--aligned", Tool.AlignedModel, "--direction", file, "--data", data, "--template", "plain", "--max-steps", "1", "--out", folder.File("out")];
        var used = await Tool.Run([.. finetune, "--target-modules", "q_proj"]);
        Assert.True(used.ExitCode == ExitCode.Success, used.Error);
        // v_proj has no direction in the file: that must not pass in silence.
        Tool.AssertFailed(await Tool.Run([.. finetune, "--target-modules", "q_proj,v_proj", "--force"]), ExitCode.Failure, "v_proj");
    }

    [Fact]
    public async Task Unknown_layers_and_missing_folders_are_named()
    {
        using var folder = new TemporaryFolder();
        Tool.AssertFailed(await Tool.Run("direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--target-modules", "w_proj", "--out", folder.File("d.safetensors")), ExitCode.Usage, "--target-modules w_proj");
        Tool.AssertFailed(await Tool.Run("direction", "--aligned", "nowhere", "--base", Tool.BaseModel, "--out", folder.File("d.safetensors")), ExitCode.Failure, "nowhere");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }
}
