namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class WorldBuildCommandTests
{
    [Fact]
    public async Task A_world_built_of_too_little_is_written_and_found_to_be_none()
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run("world", "build", "--out", folder.File("world"), "--documents", "64", "--alignment-examples", "32", "--seed", "3", "--json");
        Assert.True(result.ExitCode == ExitCode.GateFailed, $"{result.ExitCode} {result.Error}");
        Assert.Equal(3, result.Json.GetProperty("seed").GetInt32());
        Assert.Equal(["development", "report"], result.Json.GetProperty("measured").EnumerateArray().Select(m => m.GetProperty("split").GetString()));
        Assert.Equal(8, result.Json.GetProperty("properties").GetArrayLength());
        var failed = result.Json.GetProperty("properties").EnumerateArray().Where(p => !p.GetProperty("holds").GetBoolean()).Select(p => p.GetProperty("name").GetString()!).ToList();
        Assert.NotEmpty(failed);
        Assert.Equal(failed.Count, result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.All(failed, name => Assert.Contains($"asft world build: {name} is", result.Error));
        Assert.Equal(["aligned", "base", "data"], Directory.EnumerateDirectories(folder.File("world")).Select(Path.GetFileName).Order());
        Assert.Equal(12, Directory.EnumerateFiles(folder.File("world/data")).Count());
    }

    [Theory]
    [InlineData("--documents")]
    [InlineData("--threads")]
    public async Task A_wrong_option_leaves_nothing(string option)
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run("world", "build", "--out", folder.File("world"), option, "0");
        Tool.AssertFailed(result, ExitCode.Usage, $"{option} 0");
        Assert.StartsWith("asft world build:", result.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }
}
