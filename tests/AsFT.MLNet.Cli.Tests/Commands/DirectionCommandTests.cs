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
        Assert.Contains("64 vectors a layer", used.Error, StringComparison.Ordinal);
        Assert.Contains("of the direction)", used.Output, StringComparison.Ordinal);
        // v_proj has no direction in the file: that must not pass in silence.
        Tool.AssertFailed(await Tool.Run([.. finetune, "--target-modules", "q_proj,v_proj", "--force"]), ExitCode.Failure, "v_proj");
    }

    [Theory]
    [InlineData("spectrum-all", "bfloat16", 1.0)]
    [InlineData("spectrum-8", "float32", 0.05)]
    public async Task A_spectrum_serves_a_run_in_a_fraction_of_the_size(string format, string dtype, double least)
    {
        using var folder = new TemporaryFolder();
        var (file, whole) = (folder.File("spectrum.safetensors"), folder.File("whole.safetensors"));
        string[] models = ["direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--target-modules", "q_proj,v_proj"];
        var made = await Tool.Run([.. models, "--format", format, "--vector-dtype", dtype, "--device", "cpu", "--out", file, "--json"]);
        Assert.True(made.ExitCode == ExitCode.Success, made.Error);
        Assert.Equal(ExitCode.Success, (await Tool.Run([.. models, "--out", whole])).ExitCode);
        Assert.True(new FileInfo(file).Length < 0.7 * new FileInfo(whole).Length);

        var info = await Tool.Run("info", file, "--json");
        Assert.Equal("alignment direction", info.Json.GetProperty("kind").GetString());
        Assert.Equal("Spectrum", info.Json.GetProperty("facts").GetProperty("encoding").GetString());
        Assert.InRange(double.Parse(info.Json.GetProperty("facts").GetProperty("kept_energy").GetString()!, System.Globalization.CultureInfo.InvariantCulture), least - 1e-6, 1);

        var data = folder.Write("data.jsonl", """{"instruction": "What?", "input": "", "output": "That."}""");
        async Task<double> Penalty(string direction, params string[] more)
        {
            var run = await Tool.Run(["finetune", "--aligned", Tool.AlignedModel, "--direction", direction, "--data", data, "--template", "plain", "--max-steps", "2", "--lr", "0.01", "--lambda", "1", "--out", folder.File(Path.GetRandomFileName()), "--json", .. more]);
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            return run.Json.GetProperty("result").GetProperty("penalty").GetDouble();
        }
        var expected = await Penalty(whole, "--spectrum-rank", format.EndsWith("all", StringComparison.Ordinal) ? "all" : "8");
        Assert.Equal(expected, await Penalty(file), 0.01 * expected);
    }

    [Fact]
    public async Task Formats_are_told_where_one_is_not_known()
    {
        using var folder = new TemporaryFolder();
        foreach (var format in new[] { "spectrum-0", "spectrum", "spectrum-x", "rank-", "fp8" })
            Tool.AssertFailed(await Tool.Run("direction", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--format", format, "--out", folder.File("d.safetensors")), ExitCode.Usage, "spectrum-K or spectrum-all");
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
