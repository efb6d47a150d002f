using System.Text.Json;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class PlanCommandTests
{
    private static readonly string[] Qlora = ["--weight-format", "nf4", "--target-modules", "all-linear", "--activation-checkpointing", "--batch-size", "8", "--max-length", "512", "--spectrum-rank", "256", "--storage-dtype", "bfloat16"];

    [Fact]
    public async Task A_config_alone_tells_whether_70B_fits_a_card()
    {
        var result = await Tool.Run(["plan", "--aligned", Tool.Data("configs", "llama-2-70b"), .. Qlora, "--json"]);
        Assert.True(result.ExitCode == ExitCode.Success, result.Error);
        Assert.InRange(result.Json.GetProperty("total").GetInt64(), 40L << 30, 52L << 30);
        Assert.Equal([80], result.Json.GetProperty("fits").EnumerateArray().Select(card => card.GetInt32()));
        var seven = await Tool.Run(["plan", "--aligned", Tool.Data("configs", "llama-2-7b"), .. Qlora, "--json"]);
        Assert.Equal([24, 48, 80], seven.Json.GetProperty("fits").EnumerateArray().Select(card => card.GetInt32()));
        var text = await Tool.Run(["plan", "--aligned", Tool.Data("configs", "llama-2-7b"), "--batch-size", "8", "--max-length", "512"]);
        Assert.Contains("config.json alone", text.Error, StringComparison.Ordinal);
        Assert.Contains("fits a card of", text.Output, StringComparison.Ordinal);
        Assert.Contains("total at the peak", text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_cpu_the_plan_is_the_one_that_finetune_tells()
    {
        using var folder = new TemporaryFolder();
        var data = folder.Write("rows.json", """[ { "instruction": "What does the cat do?", "output": "It sleeps." } ]""");
        string[] options = ["--aligned", Tool.AlignedModel, "--base", Tool.BaseModel, "--device", "cpu", "--batch-size", "1", "--weight-format", "int8"];
        var tuned = await Tool.Run(["finetune", "--data", data, "--template", "plain", "--max-steps", "1", "--out", folder.File("out"), .. options]);
        Assert.True(tuned.ExitCode == ExitCode.Success, tuned.Error);
        var planned = (await Tool.Run(["plan", "--max-length", "64", .. options, "--json"])).Json;
        Assert.Equal(JsonValueKind.Null, planned.GetProperty("fits").ValueKind);
        // Weights do not depend on the rows.
        Assert.Contains($"weights, Int8 {planned.GetProperty("weights").GetInt64() / 1048576.0:0.0} MiB", tuned.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_planned_is_told()
    {
        Tool.AssertFailed(await Tool.Run("plan", "--aligned", Tool.AlignedModel, "--device", "tpu"), ExitCode.Usage, "--device is 'tpu'");
        Tool.AssertFailed(await Tool.Run("plan", "--aligned", Tool.AlignedModel, "--max-length", "100000"), ExitCode.Usage, "--max-length is 100000; the model has 512 positions");
        Tool.AssertFailed(await Tool.Run("plan", "--aligned", Tool.AlignedModel, "--target-modules", "nothing"), ExitCode.Usage, "nothing");
        Tool.AssertFailed(await Tool.Run("plan", "--aligned", "no-such-folder"), ExitCode.Failure, "no-such-folder");
    }
}
