using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>The packed tool, before <c>asft setup</c>.</summary>
public sealed class WithoutLibtorchTests(FineTuned fineTuned) : IClassFixture<FineTuned>
{
    [Fact]
    public async Task Info_describes_models_adapters_directions_and_pipelines()
    {
        using var tool = new BareTool();
        var direction = tool.Folder.File("direction.safetensors");
        Assert.Equal(ExitCode.Success, (await Tool.Run("direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--out", direction)).ExitCode);
        foreach (var (path, words) in new[]
        {
            (Tool.AlignedModel, "not compared with config.json"),
            (fineTuned.Adapter, "PEFT adapter folder"),
            (direction, "norm of D"),
            (fineTuned.ModelFile, "lambda"),
        })
        {
            var result = await tool.RunAsync("info", path);
            Assert.True(result.ExitCode == ExitCode.Success, result.Error);
            Assert.Contains(words, result.Output);
            Assert.DoesNotContain("TorchSharp:", result.Output);
        }
    }

    [Fact]
    public async Task What_computes_says_in_one_line_how_to_get_it()
    {
        using var tool = new BareTool();
        var result = await tool.RunAsync("generate", "--model", Tool.BaseModel, "--prompt", "x");
        Tool.AssertFailed(result, ExitCode.Failure, $"libtorch {LibtorchPackage.Version} is not here", "asft setup");
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task Another_libtorch_on_the_library_path_is_named_instead_of_traced()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "library paths of Linux");
        using var tool = new BareTool();
        // A library of libtorch's that tells no version.
        var foreign = tool.Folder.File("libtorch_cpu.so");
        File.Copy(Path.Combine(AppContext.BaseDirectory, LibtorchPackage.NativeFolder, "libc10.so"), foreign);
        tool.Environment["LD_LIBRARY_PATH"] = tool.Folder.FullName;
        var result = await tool.RunAsync("generate", "--model", Tool.BaseModel, "--prompt", "x");
        Tool.AssertFailed(result, ExitCode.Failure, foreign, LibtorchPackage.Version, "asft setup");
        Assert.Empty(result.Output);
    }
}
