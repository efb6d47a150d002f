using System.IO.Compression;
using System.Text.Json;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>
/// Models of every family from the shell, with the chat template that lies beside them: of <c>families/</c> in the folder that ASFT_REFERENCE names, or
/// three unlike ones that are packed with a base model.
/// </summary>
public sealed class FamilyTests
{
    private static readonly string? Reference = Environment.GetEnvironmentVariable("ASFT_REFERENCE") is { Length: > 0 } root && Directory.Exists(Path.Combine(root, "families")) ? Path.Combine(root, "families") : null;

    public static TheoryData<string> Names => Reference is null ? ["gemma2", "olmo2", "phi4-mini"]
        : [.. Directory.EnumerateDirectories(Reference).Where(folder => Directory.Exists(Path.Combine(folder, "base"))).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_family_is_told_about_tuned_asked_merged_and_measured_with_no_template_named(string name)
    {
        using var folder = new TemporaryFolder();
        if (Reference is null) ZipFile.ExtractToDirectory(Tool.Data("families", name + ".zip"), folder.File("family"));
        var family = Reference is null ? folder.File("family") : Path.Combine(Reference, name);
        var (aligned, baseline, output, merged) = (Path.Combine(family, "aligned"), Path.Combine(family, "base"), folder.File("out"), folder.File("merged"));
        var rows = folder.Write("rows.json", """[ { "messages": [ { "role": "user", "content": "Name a colour." }, { "role": "assistant", "content": "Blue." } ] }, { "messages": [ { "role": "user", "content": "Say a word." }, { "role": "assistant", "content": "River." } ] } ]""");

        var info = await Run("info", aligned, "--json");
        Assert.Empty(info.Json.GetProperty("problems").EnumerateArray());
        var template = info.Json.GetProperty("facts").GetProperty("chat template").GetString();
        Assert.Matches("^chat_template.jinja, answers (marked by .*|found by .*), ended by [^ ]+$", template);
        await Run("finetune", "--aligned", aligned, "--base", baseline, "--data", rows, "--max-steps", "2", "--lr", "1e-2", "--out", output, "--json");
        // Its queries, keys and values may be one layer.
        Assert.Contains(name.StartsWith("phi", StringComparison.Ordinal) ? "qkv_proj" : "q_proj", await File.ReadAllTextAsync(Path.Combine(output, "adapter", "adapter_config.json"), TestContext.Current.CancellationToken));
        await Run("merge", "--model", aligned, "--adapter", Path.Combine(output, "adapter"), "--out", merged);
        string[] asked = ["--prompt", "Name a colour.", "--max-new-tokens", "12"];
        var tuned = await Run(["generate", "--model", Path.Combine(output, "model.zip"), .. asked]);
        Assert.Equal(tuned.Output, (await Run(["generate", "--model", aligned, "--adapter", Path.Combine(output, "adapter"), .. asked])).Output);
        await Run(["generate", "--model", merged, .. asked]);
        await Run("eval", "--model", Path.Combine(output, "model.zip"), "--harmful", rows, "--max-new-tokens", "4", "--json");
    }

    [Fact]
    public async Task A_model_without_a_template_is_refused_with_the_names_of_what_can_be_named()
    {
        using var folder = new TemporaryFolder();
        var model = folder.CopyOf(Tool.AlignedModel);
        File.Delete(Path.Combine(model, "chat_template.jinja"));
        var rows = folder.Write("rows.json", """[ { "instruction": "Name a colour.", "output": "Blue." } ]""");
        Tool.AssertFailed(await Tool.Run("generate", "--model", model, "--prompt", "Hi"), ExitCode.Usage, "--template", "no chat template", "llama2, llama3, alpaca, plain, chatml");
        Tool.AssertFailed(await Tool.Run("finetune", "--aligned", model, "--data", rows, "--lambda", "0", "--out", folder.File("out")), ExitCode.Usage, "--template", "llama2, llama3, alpaca, plain, chatml");
        Assert.StartsWith("none: name one", (await Run("info", model, "--json")).Json.GetProperty("facts").GetProperty("chat template").GetString());
    }

    [Fact]
    public async Task Conversations_are_tuned_on_asked_kept_and_measured()
    {
        using var folder = new TemporaryFolder();
        var rows = folder.Write("rows.jsonl", """
            {"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Who is Lily?"},{"role":"assistant","content":"A girl."},{"role":"user","content":"What does she like?"},{"role":"assistant","content":"She likes to play."}]}
            {"messages":[{"role":"user","content":"What did Tom see?"},{"role":"assistant","content":"A red ball."}]}
            """);
        await Run("finetune", "--aligned", Tool.AlignedModel, "--data", rows, "--lambda", "0", "--max-steps", "1", "--supervised-turns", "last", "--out", folder.File("out"));
        Assert.Contains("\"SupervisedTurns\"", File.ReadAllText(folder.File("out/training.json")), StringComparison.OrdinalIgnoreCase);
        foreach (var model in new[] { folder.File("out/model.zip"), Tool.AlignedModel })
        {
            var answers = folder.File(Path.GetFileName(model) + ".jsonl");
            await Run("generate", "--model", model, "--data", rows, "--max-new-tokens", "4", "--out", answers);
            using var first = JsonDocument.Parse(File.ReadLines(answers).First());
            Assert.Equal(3, first.RootElement.GetProperty("messages").GetArrayLength());
            var report = await Run("eval", "--answers", answers, "--harmful", rows, "--json");
            Assert.Equal(2, report.Json.GetProperty("harmful").GetProperty("harmfulScore").GetProperty("total").GetInt32());
        }
    }

    private static async Task<Tool.Result> Run(params string[] args)
    {
        var result = await Tool.Run(args);
        Assert.True(result.ExitCode == ExitCode.Success, $"{args[0]}: {result.Error}");
        return result;
    }
}
