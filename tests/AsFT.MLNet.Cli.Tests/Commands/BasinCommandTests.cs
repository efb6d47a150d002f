using System.Xml.Linq;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class BasinCommandTests
{
    private static readonly string[] Quick = ["basin", "--max-prompts", "4", "--points", "3", "--directions", "2", "--from", "-1", "--to", "1"];

    [Fact]
    public async Task The_bundled_world_gives_numbers_and_pictures()
    {
        using var folder = new TemporaryFolder();
        var result = await Tool.Run([.. Quick, "--2d", "--2d-points", "3", "--out", folder.File("basin"), "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        var scan = result.Json.GetProperty("scan");
        var points = scan.GetProperty("alignment").GetProperty("points");
        Assert.Equal([-1, 0, 1], points.EnumerateArray().Select(p => p.GetProperty("alpha").GetDouble()));
        Assert.True(scan.GetProperty("isWhole").GetBoolean());
        // The aligned model refuses, the base does not.
        Assert.True(points[1].GetProperty("refusalLogMass").GetDouble() > -2);
        Assert.True(points[0].GetProperty("refusalLogMass").GetDouble() < -20);
        foreach (var name in new[] { "basin", "basin-2d" })
        {
            Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(Path.Combine(folder.File("basin"), $"{name}.png"))[..4]);
            Assert.Equal("svg", XDocument.Load(Path.Combine(folder.File("basin"), $"{name}.svg")).Root!.Name.LocalName);
        }
        Assert.Equal([".asft-run.json", "basin-2d.png", "basin-2d.svg", "basin.json", "basin.png", "basin.svg"], Directory.GetFiles(folder.File("basin")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Chosen_layers_and_refusals_from_a_text_file()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.txt", "Sorry\n\nI cannot\nSorry\n");
        var result = await Tool.Run([.. Quick, "--layers", "1", "--refusals", refusals, "--judge", "none", "--out", folder.File("basin"), "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        var scan = result.Json.GetProperty("scan");
        Assert.Equal(["Sorry", "I cannot"], scan.GetProperty("refusals").EnumerateArray().Select(r => r.GetString()));
        Assert.All(scan.GetProperty("tensors").EnumerateArray(), t => Assert.StartsWith("model.layers.1.", t.GetProperty("name").GetString()));
        Assert.False(scan.GetProperty("isWhole").GetBoolean());
    }

    [Theory]
    [InlineData(ExitCode.Usage, "--aligned", "--base", "somewhere")]
    [InlineData(ExitCode.Usage, "--base", "--aligned", "somewhere")]
    [InlineData(ExitCode.Usage, "--judge", "--judge", "nobody")]
    [InlineData(ExitCode.Usage, "--layers", "--layers", "3-1")]
    [InlineData(ExitCode.Usage, "--layers", "--layers", "7")]
    [InlineData(ExitCode.Usage, "--points", "--points", "1")]
    [InlineData(ExitCode.Usage, "--to", "--to", "-2")]
    [InlineData(ExitCode.Usage, "--target-modules", "--target-modules", "w_proj")]
    [InlineData(ExitCode.Failure, "nowhere.txt", "--refusals", "nowhere.txt")]
    [InlineData(ExitCode.Failure, "nowhere.jsonl", "--prompts", "nowhere.jsonl")]
    public async Task Wrong_arguments_are_named_and_nothing_is_left(int exitCode, string word, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        Tool.AssertFailed(await Tool.Run(["basin", .. arguments, "--out", folder.File("basin")]), exitCode, word);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }
}
