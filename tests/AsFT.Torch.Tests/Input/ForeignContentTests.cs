using System.IO.Compression;
using System.Text;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Input;

public class ForeignContentTests
{
    private const string Json = "{\n\"name\": \"café\"\n}";

    public static TheoryData<string, byte[], string[]> Foreign => new()
    {
        { "empty", [], ["is empty"] },
        { "utf-16", [.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes(Json)], ["UTF-16", "save it as UTF-8"] },
        { "utf-16 big-endian", [.. Encoding.BigEndianUnicode.Preamble, .. Encoding.BigEndianUnicode.GetBytes(Json)], ["UTF-16"] },
        { "utf-16 without a mark", Encoding.Unicode.GetBytes(Json), ["UTF-16"] },
        { "utf-32", [.. Encoding.UTF32.Preamble, .. Encoding.UTF32.GetBytes(Json)], ["UTF-32"] },
        { "latin-1", Encoding.Latin1.GetBytes(Json), ["line 2", "0xE9", "Latin-1", "iconv"] },
        { "gzip", Gzip(Json), ["gzip", "gunzip"] },
        { "zip", [.. "PK\x03\x04"u8, 20, 0], ["zip archive", "can run code"] },
        { "pickle", [0x80, 2, (byte)'}', (byte)'q', 0], ["pickle", "safetensors"] },
        { "gguf", [.. "GGUF"u8, 3, 0, 0, 0], ["GGUF"] },
        { "parquet", [.. "PAR1"u8, 21, 4], ["Parquet", "JSON Lines"] },
        { "lfs", [.. "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"u8], ["Git LFS pointer", "git lfs pull"] },
        { "html", [.. "\n<!DOCTYPE html><html>"u8], ["web page", "/resolve/"] },
        { "zeros", new byte[64], ["zeros"] },
        { "trailing comma", [.. "{\n\"a\": 1,\n}"u8], ["line 3", "a comma stands before the closing bracket"] },
        { "comment", [.. "{\n// c\n\"a\": 1}"u8], ["line 2", "no comments"] },
        { "single quotes", [.. "{'a': 1}"u8], ["double quotes"] },
        { "half a pair in a text", [.. "{\"a\":\n\"\\ud800\"}"u8], ["line 2", "surrogate"] },
        { "half a pair in a name", [.. "{\"\\uDC00\": 1}"u8], ["line 1", "surrogate"] },
        { "a list", [.. "[]"u8], ["a list"] },
        { "null", [.. "null"u8], ["null"] },
        { "a name twice", [.. "{\"a\":1,\"a\":2}"u8], ["line 1", "malformed"] },
    };

    [Theory]
    [MemberData(nameof(Foreign))]
    public void What_lies_there_instead_of_JSON_is_named_with_its_cure(string kind, byte[] content, string[] told)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["x.json"], content);
        var message = Assert.Throws<InvalidDataException>(() => JsonInput.Open(folder["x.json"])).Message;
        foreach (var words in told.Append(folder["x.json"])) Assert.True(message.Contains(words, StringComparison.Ordinal), $"{kind}: {message}");
        Assert.DoesNotContain("reader options", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_byte_order_mark_is_read_past_and_pairs_are_read()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["x.json"], """{"a": "\ud83d\ude00"}""", new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        using var document = JsonInput.Open(folder["x.json"]);
        Assert.Equal("😀", document.RootElement.GetProperty("a").GetString());
        Assert.StartsWith("{", TextInput.ReadLines(folder["x.json"])[0], StringComparison.Ordinal);
    }

    [Fact]
    public void What_people_write_by_hand_may_hold_comments_and_a_last_comma()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["x.json"], "// mine\n{\"a\": \"\\ud83d\\ude00\", /* all */ }");
        using var document = JsonInput.Open(folder["x.json"], isHandWritten: true);
        Assert.Equal("😀", document.RootElement.GetProperty("a").GetString());
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull")]
    [InlineData("<!doctype html>\n<html><body>Sign in</body></html>", "web page")]
    public void Weights_and_tokenizers_that_are_not_there_themselves_are_named_so(string content, string word)
    {
        using var folder = new TemporaryFolder();
        foreach (var (file, read) in new (string, Action<string>)[]
        {
            ("model.safetensors", path => SafetensorsFile.Open(path)),
            ("model.safetensors.index.json", path => ModelCheckpoint.Open(Path.GetDirectoryName(path)!)),
            ("tokenizer.json", path => LanguageTokenizer.Load(Path.GetDirectoryName(path)!)),
            ("tokenizer.model", path => LanguageTokenizer.Load(Path.GetDirectoryName(path)!)),
        })
        {
            File.WriteAllText(folder[file], content);
            var message = Assert.Throws<InvalidDataException>(() => read(folder[file])).Message;
            Assert.Contains(folder[file], message, StringComparison.Ordinal);
            Assert.Contains(word, message, StringComparison.Ordinal);
            if (file == "model.safetensors") File.Delete(folder[file]);
        }
    }

    private static byte[] Gzip(string text)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress)) gzip.Write(Encoding.UTF8.GetBytes(text));
        return packed.ToArray();
    }
}
