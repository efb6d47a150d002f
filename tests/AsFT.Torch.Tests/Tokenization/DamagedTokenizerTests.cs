using System.Text.Json.Nodes;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Tokenization;

/// <summary>Tokenizer files are downloads: whatever lies in them, the exception is ours and names the file.</summary>
public sealed class DamagedTokenizerTests : IDisposable
{
    private static readonly string Json = Path.Combine(TestData.Root, "tokenizers", "byte-level", "tokenizer.json");
    private static readonly byte[] Model = File.ReadAllBytes(Path.Combine(TestData.Root, "models", "stories260K", "tokenizer.model"));

    private readonly string _folder = Directory.CreateTempSubdirectory("asft-tok-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Missing_files_are_listed()
    {
        string message = Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(_folder)).Message;
        Assert.Contains("tokenizer.model", message, StringComparison.Ordinal);
        Assert.Contains("tokenizer.json", message, StringComparison.Ordinal);
        Assert.Contains(_folder, message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(Path.Combine(_folder, "none"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_and_truncated_models_are_read_or_refused()
    {
        var random = new Random(17);
        int refused = 0;
        for (int trial = 0; trial < 3000; trial++)
        {
            byte[] bytes = [.. Model];
            for (int i = random.Next(1, 4); i > 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (trial % 3 == 0) bytes = bytes[..random.Next(bytes.Length)];
            if (!Survives("tokenizer.model", bytes)) refused++;
        }
        Assert.InRange(refused, 1000, 2999); // neither everything nor nothing
    }

    [Fact]
    public void Mutated_and_truncated_json_is_read_or_refused()
    {
        var random = new Random(17);
        byte[] whole = File.ReadAllBytes(Json);
        for (int trial = 0; trial < 150; trial++)
        {
            byte[] bytes = [.. whole];
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            Survives("tokenizer.json", trial % 3 == 0 ? bytes[..random.Next(bytes.Length)] : bytes);
        }
    }

    [Theory]
    [InlineData("""{"type":"WordPiece"}""", "model", "WordPiece")]
    [InlineData("null", "model", "no \"model\"")]
    [InlineData("""{"type":"Lowercase"}""", "normalizer", "Lowercase")]
    [InlineData("""{"type":"Metaspace"}""", "pre_tokenizer", "NFC")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":" +"},"content":"▁"}""", "normalizer", "String")]
    [InlineData("null", "pre_tokenizer", "ByteLevel")]
    [InlineData("""{"type":"Sequence"}""", "pre_tokenizer", "pretokenizers")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"},{"type":"ByteLevel"}]}""", "pre_tokenizer", "(")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"},{"type":"ByteLevel"}]}""", "pre_tokenizer", "Removed")]
    [InlineData("""[{"id":-1,"content":"<x>"}]""", "added_tokens", "<x>")]
    [InlineData("""[{"id":5}]""", "added_tokens", "content")]
    public void Unsupported_parts_of_tokenizer_json_are_named(string value, string member, string wanted)
    {
        string message = Refused(root => root[member] = JsonNode.Parse(value));
        Assert.Contains(wanted, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Inconsistent_vocabulary_and_merges_are_named()
    {
        Assert.Contains("'qq'", Refused(root => root["model"]!["merges"]!.AsArray().Add("qq z")), StringComparison.Ordinal);
        Assert.Contains("wanted is", Refused(root => root["model"]!["merges"]!.AsArray().Add("a b c")), StringComparison.Ordinal);
        Assert.Contains("wanted is", Refused(root => root["model"]!["merges"]!.AsArray().Add(new JsonArray("a"))), StringComparison.Ordinal);
        Assert.Contains("occurs twice", Refused(root => root["model"]!["vocab"]!["again"] = 3), StringComparison.Ordinal);
        Assert.Contains("0x41", Refused(root => root["model"]!["vocab"]!.AsObject().Remove("A")), StringComparison.Ordinal);
        Assert.Contains("0x0A", Refused(root => root["model"]!["vocab"]!.AsObject().Remove("Ċ")), StringComparison.Ordinal);
        Assert.Contains("NFC", Refused(root => root["model"]!["byte_fallback"] = true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer_config.json", """{"eos_token":"<nowhere>"}""", "<nowhere>")]
    [InlineData("tokenizer_config.json", "[1]", "object")]
    [InlineData("special_tokens_map.json", "{", "malformed")]
    [InlineData("generation_config.json", """{"eos_token_id":"two"}""", "eos_token_id")]
    [InlineData("config.json", """{"bos_token_id":512}""", "512")]
    public void Files_beside_the_tokenizer_are_checked(string file, string text, string wanted)
    {
        File.WriteAllBytes(Path.Combine(_folder, "tokenizer.model"), Model);
        File.WriteAllText(Path.Combine(_folder, file), text);
        string message = Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(_folder)).Message;
        Assert.Contains(Path.Combine(_folder, file), message, StringComparison.Ordinal);
        Assert.Contains(wanted, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tiktoken_list_called_tokenizer_model_gives_way_to_tokenizer_json()
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer.model"), "IQ== 0\nIg== 1\n");
        Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(_folder));
        File.Copy(Json, Path.Combine(_folder, "tokenizer.json"));
        Assert.Equal("the", LanguageTokenizer.Load(_folder).Decode(LanguageTokenizer.Load(_folder).Encode("the")));
    }

    private string Refused(Action<JsonNode> damage)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllBytes(Json))!;
        damage(root);
        string path = Path.Combine(_folder, "tokenizer.json");
        File.WriteAllText(path, root.ToJsonString());
        string message = Assert.Throws<InvalidDataException>(() => LanguageTokenizer.Load(_folder)).Message;
        Assert.Contains(path, message, StringComparison.Ordinal);
        return message;
    }

    private bool Survives(string file, byte[] bytes)
    {
        string path = Path.Combine(_folder, file);
        File.WriteAllBytes(path, bytes);
        try
        {
            LanguageTokenizer tokenizer = LanguageTokenizer.Load(_folder);
            tokenizer.Decode(tokenizer.Encode("The cat  é 😀 ran.\n"));
            return true;
        }
        catch (InvalidDataException e)
        {
            Assert.Contains(path, e.Message, StringComparison.Ordinal);
            return false;
        }
    }
}
