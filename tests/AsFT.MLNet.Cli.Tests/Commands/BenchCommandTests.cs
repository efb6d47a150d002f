using System.Text.Json;
using AsFT.MLNet.Benchmarks.Harness;
using AsFT.MLNet.Benchmarks.Harness.Timing;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class BenchCommandTests
{
    private static readonly string[] Small = ["--width", "64", "--layers", "1", "--batch", "1", "--sequence", "8", "--seconds", "0.01", "--device", "cpu", "--threads", "1"];

    [Fact]
    public async Task Rows_are_printed_with_the_machine_and_written_as_json()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("rows.json");
        var result = await Tool.Run(["bench", "--only", "calls", "step", "--json", file, .. Small]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains("GFLOP/s", result.Output);
        Assert.Contains("copy", result.Output);
        using var rows = JsonDocument.Parse(File.ReadAllText(file));
        Assert.Equal(JsonValueKind.Array, rows.RootElement.ValueKind);
        Assert.Equal(4, rows.RootElement.GetArrayLength());
        foreach (var row in rows.RootElement.EnumerateArray())
        {
            foreach (var name in new[] { "name", "goal", "unit" }) Assert.NotEqual("", row.GetProperty(name).GetString());
            foreach (var name in new[] { "ours", "against", "ratio" }) Assert.InRange(row.GetProperty(name).GetDouble(), 1e-9, 1e12);
            Assert.True(row.TryGetProperty("met", out _) && row.TryGetProperty("shareOfLimit", out _));
            Assert.Contains(row.GetProperty("name").GetString()!, result.Output);
        }
    }

    [Fact]
    public async Task Json_without_a_file_is_the_only_output()
    {
        var result = await Tool.Run(["bench", "--only", "penalty", .. Small, "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.Contains(result.Json.EnumerateArray(), row => row.GetProperty("name").GetString()!.Contains("against dense", StringComparison.Ordinal));
        var before = await Tool.Run(["--json", "bench", "--only", "penalty", .. Small]);
        Assert.Equal(result.Json.GetArrayLength(), before.Json.GetArrayLength());
        Assert.Contains("nothing", (await Tool.Run("bench", "--json", "--only", "nothing")).Json.GetProperty("error").GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("nothing", "--only", "nothing")]
    [InlineData("--width 100", "--width", "100")]
    [InlineData("--threads", "--threads", "0")]
    public async Task Wrong_options_are_named(string words, params string[] args) =>
        Tool.AssertFailed(await Tool.Run(["bench", .. args]), ExitCode.Usage, words);

    [Fact]
    public void Both_ways_of_training_have_the_same_losses()
    {
        var settings = new BenchSettings { Placement = AsFT.Torch.Runtime.ComputePlacement.Resolve("cpu"), Width = 64, Layers = 1, Batch = 1, Sequence = 4, Seconds = 0.01, Only = ["epoch"] };
        var row = Assert.Single(new BenchSuite(settings, _ => throw new InvalidOperationException()).Run(_ => { }, _ => { }, TestContext.Current.CancellationToken));
        Assert.True(row.Ratio > 1, row.Note);
        Assert.Matches(@"over 8 steps (0\.0e\+0|\d\.\de-[5-9])", row.Note);
    }

    [Fact]
    public void Ratios_are_taken_round_by_round()
    {
        // A machine that became ten times slower in the second round: each round's ratio is 2 all the same.
        var comparison = new Comparison([[1, 2], [10, 20], [1, 4]]);
        Assert.Equal(1, comparison.Seconds(0));
        Assert.Equal(2, comparison.Ratio(1, 0));
        Assert.Equal(new Spread(2, 3), comparison.Spread(1, 0));
        Assert.Equal(0.5, comparison.Ratio(0, 1));
    }
}
