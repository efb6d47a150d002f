using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models.Weights;
using static TorchSharp.torch;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>Quantised weights from the shell.</summary>
[Collection(nameof(FineTuned))]
public sealed class WeightFormatTests(FineTuned tuned)
{
    private static readonly string[] Asked = ["--prompt", "What does the cat do?", "--max-new-tokens", "8"];

    [Fact]
    public async Task A_model_is_tuned_in_4_bits_answers_so_from_its_zip_and_is_merged_into_its_dense_files()
    {
        using var folder = new TemporaryFolder();
        var (output, merged) = (folder.File("out"), folder.File("merged"));
        await Run("finetune", "--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--weight-format", "nf4",
            "--lr", "5e-3", "--max-steps", "2", "--batch-size", "2", "--rank", "4", "--out", output);
        Assert.Contains("\"weightFormat\": \"nf4\"", await File.ReadAllTextAsync(Path.Combine(output, "training.json"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        var adapter = Path.Combine(output, "adapter");
        Assert.Contains("Nf4", (await Run("info", adapter)).Output, StringComparison.Ordinal);

        var saved = await Run(["generate", "--model", Path.Combine(output, "model.zip"), .. Asked]);
        var four = await Run(["generate", "--model", Tool.AlignedModel, "--adapter", adapter, "--template", "plain", "--weight-format", "nf4", .. Asked]);
        Assert.Equal(saved.Output, four.Output);
        Assert.DoesNotContain("was trained on weights", four.Error, StringComparison.Ordinal);
        var dense = await Run(["generate", "--model", Tool.AlignedModel, "--adapter", adapter, "--template", "plain", .. Asked]);
        Assert.Contains("was trained on weights held as Nf4; those of", dense.Error, StringComparison.Ordinal);
        Assert.Equal(dense.Output, (await Run(["generate", "--model", Path.Combine(output, "model.zip"), "--weight-format", "dense", .. Asked])).Output);
        await Run("eval", "--model", Path.Combine(output, "model.zip"), "--harmful", tuned.Questions, "--max-new-tokens", "2", "--weight-format", "int8", "--json");

        await Run("merge", "--model", Tool.AlignedModel, "--adapter", adapter, "--out", merged);
        using var whole = ModelCheckpoint.Open(merged);
        using var source = ModelCheckpoint.Open(Tool.AlignedModel);
        Assert.All(source.Entries.Values, entry => Assert.Equal((entry.DType, entry.ByteCount), (whole.Entries[entry.Name].DType, whole.Entries[entry.Name].ByteCount)));
    }

    [Theory]
    [InlineData(WeightFormat.Nf4)]
    [InlineData(WeightFormat.Int8)]
    public async Task What_bitsandbytes_stored_is_told_about_asked_and_merged_into_dense_weights(WeightFormat format)
    {
        using var folder = new TemporaryFolder();
        var (stored, merged) = (folder.File("stored"), folder.File("merged"));
        Directory.CreateDirectory(stored);
        StoredModel.Write(Tool.AlignedModel, stored, format);
        var info = await Run("info", stored, "--json");
        Assert.Empty(info.Json.GetProperty("problems").EnumerateArray());
        Assert.Contains(format.ToString(), info.Output, StringComparison.Ordinal);
        await Run(["generate", "--model", stored, "--template", "plain", .. Asked]);

        string[] tuning = ["finetune", "--aligned", stored, "--base", Tool.BaseModel, "--data", tuned.Questions, "--template", "plain", "--max-steps", "1", "--out", folder.File("out")];
        Tool.AssertFailed(await Tool.Run(tuning), ExitCode.Failure, $"stored as {format} in the aligned model", "--allow-quantized-direction");
        await Run([.. tuning, "--allow-quantized-direction"]);
        await Run("merge", "--model", stored, "--adapter", Path.Combine(folder.File("out"), "adapter"), "--out", merged);
        Assert.DoesNotContain("quantization_config", await File.ReadAllTextAsync(Path.Combine(merged, "config.json"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        using var whole = ModelCheckpoint.Open(merged);
        using var source = ModelCheckpoint.Open(Tool.AlignedModel);
        Assert.Equal(source.Entries.Keys.Order(), whole.Entries.Keys.Order());
        using var scope = NewDisposeScope();
        Assert.All(source.Entries.Keys.Where(name => name.EndsWith("_proj.weight", StringComparison.Ordinal)), name =>
        {
            var (exact, made) = (source.Read(name, ScalarType.Float32), whole.Read(name, ScalarType.Float32));
            Assert.InRange(((made - exact).norm() / exact.norm()).item<float>(), 1e-4, 0.15);
        });
        await Run(["generate", "--model", merged, "--template", "plain", .. Asked]);
        Tool.AssertFailed(await Tool.Run("direction", "--aligned", stored, "--base", Tool.BaseModel, "--out", folder.File("d.safetensors")), ExitCode.Failure, $"stored as {format}");
        await Run("direction", "--aligned", stored, "--base", Tool.BaseModel, "--allow-quantized-direction", "--out", folder.File("d.safetensors"));
    }

    private static async Task<Tool.Result> Run(params string[] args)
    {
        var result = await Tool.Run(args);
        Assert.True(result.ExitCode == ExitCode.Success, $"{args[0]}: {result.Error}");
        return result;
    }
}
