using AsFT.Torch.Models;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>What a user can get wrong: each has its exit code and one line that names it, and leaves no output.</summary>
public sealed class FineTuneCommandFailureTests : IDisposable
{
    private const string Record = """{"instruction": "What?", "input": "", "output": "That."}""";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public Task Missing_base_folder() => Fails(ExitCode.Failure, ["--base nowhere", "no such folder"], "--base", "nowhere");

    [Fact]
    public Task Missing_data_file() => Fails(ExitCode.Failure, ["nothing.json"], "--data", _folder.File("nothing.json"));

    [Fact]
    public Task Empty_data_file() => Fails(ExitCode.Failure, ["empty.json", "no records"], "--data", _folder.Write("empty.json", ""));

    [Fact]
    public Task Record_without_a_field() => Fails(ExitCode.Failure, ["bad.jsonl", "line 2", "output"],
        "--data", _folder.Write("bad.jsonl", Record + "\n" + """{"instruction": "What?"}""" + "\n"));

    [Fact]
    public Task Unknown_target_module() => Fails(ExitCode.Usage, ["--target-modules", "w_proj", "q_proj"], "--target-modules", "w_proj");

    [Theory]
    [InlineData("--rank", "0")]
    [InlineData("--lambda", "-1")]
    [InlineData("--lambda", "NaN")]
    [InlineData("--lr", "-1")]
    [InlineData("--dropout", "1")]
    [InlineData("--epochs", "0")]
    [InlineData("--validation-fraction", "1.5")]
    public Task Option_out_of_range(string option, string value) => Fails(ExitCode.Usage, [$"{option} {value}"], option, value);

    [Fact]
    public Task Patience_without_validation_rows() => Fails(ExitCode.Usage, ["--early-stopping-patience 1"], "--early-stopping-patience", "1");

    [Fact]
    public Task Tolerance_without_refusals() => Fails(ExitCode.Usage, ["--held-out-refusals", "RefusalTolerance"], "--refusal-tolerance", "0.1");

    [Fact]
    public Task Refusals_without_tolerance() => Fails(ExitCode.Failure, ["--held-out-refusals", "RefusalTolerance"], "--refusals", Tool.AlignedModel);

    [Fact]
    public Task Guard_power_out_of_range() => Fails(ExitCode.Usage, ["--guard-power 5", "from 1 to 4"], "--guard-power", "5");

    [Fact]
    public Task No_base_and_no_direction() => Fails(ExitCode.Usage, ["--base"], "--base", null);

    [Fact]
    public Task Missing_tokenizer()
    {
        var model = _folder.CopyOf(Tool.AlignedModel);
        File.Delete(Path.Combine(model, "tokenizer.model"));
        return Fails(ExitCode.Failure, ["tokenizer"], "--aligned", model);
    }

    [Fact]
    public Task Truncated_weights()
    {
        var model = _folder.CopyOf(Tool.AlignedModel);
        using (var stream = File.OpenWrite(Path.Combine(model, "model.safetensors"))) stream.SetLength(1000);
        return Fails(ExitCode.Failure, ["model.safetensors"], "--aligned", model);
    }

    [Fact]
    public Task Base_of_another_shape()
    {
        var other = _folder.File("other");
        var shape = ModelConfig.Load(Tool.BaseModel) with { HiddenSize = 32, HeadSize = 4 };
        using (var model = CausalLanguageModel.Create(shape, ComputePlacement.Resolve("cpu"), seed: 1)) model.Save(other);
        return Fails(ExitCode.Failure, ["q_proj", "64", "32"], "--base", other);
    }

    // Permissions do not bind a root user; a folder below a file cannot be made by anyone.
    [Fact]
    public Task Output_folder_that_cannot_be_made() => Fails(ExitCode.Failure, ["output folder", "file"], "--out", Path.Combine(_folder.Write("file", ""), "out"));

    private async Task Fails(int exitCode, string[] words, string option, string? value)
    {
        var arguments = new Dictionary<string, string?>
        {
            ["--aligned"] = Tool.AlignedModel,
            ["--base"] = Tool.BaseModel,
            ["--data"] = _folder.Write("good.jsonl", Record),
            ["--template"] = "plain",
            ["--max-steps"] = "1",
            ["--out"] = _folder.File("out"),
            [option] = value,
        };
        var result = await Tool.Run(["finetune", .. arguments.Where(a => a.Value is not null).SelectMany(a => new[] { a.Key, a.Value! })]);
        Tool.AssertFailed(result, exitCode, words);
        Assert.False(Directory.Exists(_folder.File("out")), "an output folder was left");
    }
}
