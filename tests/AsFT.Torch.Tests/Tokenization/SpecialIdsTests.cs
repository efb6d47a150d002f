using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Tokenization;

/// <summary>Ids that a model's files name, some of which nothing uses.</summary>
public sealed class SpecialIdsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_end_named_for_generation_replaces_the_models_and_the_models_stays_text()
    {
        ByteLevel();
        File.Delete(_folder["generation_config.json"]);
        var ids = LanguageTokenizer.Load(_folder.Path).Encode(" the");
        var the = Assert.Single(ids);
        File.WriteAllText(_folder["config.json"], $$"""{"eos_token_id":{{the}}}""");
        var ended = LanguageTokenizer.Load(_folder.Path);
        Assert.Contains(the, ended.EosIds);
        Assert.Equal(ids, ended.Encode(" the"));

        var end = ended.FindSpecialToken("<|end_of_text|>")!.Value;
        File.WriteAllText(_folder["generation_config.json"], $$"""{"eos_token_id":[{{end}}]}""");
        Assert.DoesNotContain(the, LanguageTokenizer.Load(_folder.Path).EosIds);
    }

    [Theory]
    [InlineData("added_tokens.json", """{"<pad>":512}""")]
    [InlineData("generation_config.json", """{"pad_token_id":512,"eos_token_id":2}""")]
    [InlineData("generation_config.json", """{"pad_token_id":32000,"eos_token_id":[2,99999]}""")]
    [InlineData("tokenizer_config.json", """{"pad_token":"<pad>"}""")]
    public void An_id_that_nothing_uses_stops_nothing(string file, string content)
    {
        Stories();
        File.WriteAllText(_folder[file], content);
        var tokenizer = LanguageTokenizer.Load(_folder.Path);
        Assert.Equal([2], tokenizer.EosIds);
        Assert.InRange(tokenizer.PadId, 0, 511);
        Assert.Equal([2], ModelConfig.Load(_folder.Path).EosTokenIds);
    }

    [Theory]
    [InlineData(" 512,", " 200,", "makes tokens up to 511")]
    [InlineData("\"eos_token_id\": 2", "\"eos_token_id\": 512", "512")]
    public void A_token_that_text_needs_must_have_an_embedding(string before, string after, string word)
    {
        Stories();
        File.Delete(_folder["generation_config.json"]);
        var config = File.ReadAllText(_folder["config.json"]);
        config = before.Contains("eos", StringComparison.Ordinal) ? config.Replace(before, after, StringComparison.Ordinal)
            : config.Replace($"\"vocab_size\":{before}", $"\"vocab_size\":{after}", StringComparison.Ordinal);
        File.WriteAllText(_folder["config.json"], config);
        Assert.Contains(word, Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_expression_that_backtracks_is_refused_by_its_file_or_never_begins_to()
    {
        ByteLevel();
        var json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(_folder["tokenizer.json"]))!;
        json["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = "(a|aa)+$";
        File.WriteAllText(_folder["tokenizer.json"], json.ToJsonString());
        Assert.NotEmpty(LanguageTokenizer.Load(_folder.Path).Encode(new string('a', 200) + "b"));

        var slow = new WordSplitter([new System.Text.RegularExpressions.Regex("(a|aa)+$", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromMilliseconds(20))], "the.json");
        Assert.Contains("'the.json'", Assert.Throws<InvalidDataException>(() => slow.Split(new string('a', 200) + "b")).Message, StringComparison.Ordinal);
    }

    private void Stories() => Copy(Path.Combine(TestData.Root, "models", "stories260K"), "model.safetensors");

    private void ByteLevel() => Copy(Path.Combine(TestData.Root, "tokenizers", "byte-level"), "");

    private void Copy(string folder, string without)
    {
        foreach (var file in Directory.GetFiles(folder).Where(file => Path.GetFileName(file) != without)) File.Copy(file, _folder[Path.GetFileName(file)]);
    }
}
