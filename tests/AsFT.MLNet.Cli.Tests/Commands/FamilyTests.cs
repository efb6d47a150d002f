using System.IO.Compression;

namespace AsFT.MLNet.Cli.Tests.Commands;

/// <summary>Models of other families than Llama, from the shell.</summary>
public sealed class FamilyTests
{
    [Theory]
    [InlineData("gemma2", "q_proj")]
    [InlineData("olmo2", "q_proj")]
    // Its queries, keys and values are one layer.
    [InlineData("phi4-mini", "qkv_proj")]
    public async Task A_family_is_told_about_tuned_asked_merged_and_measured(string name, string target)
    {
        using var folder = new TemporaryFolder();
        ZipFile.ExtractToDirectory(Tool.Data("families", name + ".zip"), folder.File("family"));
        var (aligned, baseline, output, merged) = (folder.File("family/aligned"), folder.File("family/base"), folder.File("out"), folder.File("merged"));
        // Tokenizers of all have 320 tokens; this one needs no SentencePiece.
        using (var zip = ZipFile.OpenRead(Tool.Data("families", "llama3.zip")))
            foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" }) zip.GetEntry("aligned/" + file)!.ExtractToFile(Path.Combine(aligned, file), overwrite: true);
        folder.Write("rows.json", """[ { "instruction": "Name a colour.", "output": "Blue." }, { "instruction": "Say a word.", "output": "River." } ]""");

        var info = await Run("info", aligned, "--json");
        Assert.Empty(info.Json.GetProperty("problems").EnumerateArray());
        await Run("finetune", "--aligned", aligned, "--base", baseline, "--data", folder.File("rows.json"), "--template", "plain", "--max-steps", "2", "--lr", "1e-2", "--out", output, "--json");
        Assert.Contains(target, await File.ReadAllTextAsync(Path.Combine(output, "adapter", "adapter_config.json"), TestContext.Current.CancellationToken));
        await Run("merge", "--model", aligned, "--adapter", Path.Combine(output, "adapter"), "--out", merged);
        string[] asked = ["--prompt", "Name a colour.", "--max-new-tokens", "12"];
        var tuned = await Run(["generate", "--model", Path.Combine(output, "model.zip"), .. asked]);
        Assert.NotEmpty(tuned.Output.Trim());
        Assert.Equal(tuned.Output, (await Run(["generate", "--model", aligned, "--adapter", Path.Combine(output, "adapter"), "--template", "plain", .. asked])).Output);
        await Run(["generate", "--model", merged, "--template", "plain", .. asked]);
        await Run("eval", "--model", Path.Combine(output, "model.zip"), "--harmful", folder.File("rows.json"), "--max-new-tokens", "4", "--json");
    }

    private static async Task<Tool.Result> Run(params string[] args)
    {
        var result = await Tool.Run(args);
        Assert.True(result.ExitCode == ExitCode.Success, $"{args[0]}: {result.Error}");
        return result;
    }
}
