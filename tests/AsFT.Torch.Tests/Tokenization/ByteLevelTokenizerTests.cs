using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AsFT.Torch.Tokenization;
using CsCheck;

namespace AsFT.Torch.Tests.Tokenization;

/// <summary>A small tokenizer.json laid out like Llama 3's (regex Split, ignore_merges, NFC, headers), against a plain reimplementation.</summary>
public sealed class ByteLevelTokenizerTests : IDisposable
{
    private const string Understandings = "Ġunderstandings"; // a token that no merge makes

    private static readonly string Source = Path.Combine(TestData.Root, "tokenizers", "byte-level");
    private static readonly LanguageTokenizer Tokenizer = LanguageTokenizer.Load(Source);
    private static readonly JsonElement Model = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Source, "tokenizer.json"))).RootElement.GetProperty("model");

    private static readonly string[] Merges = [.. Model.GetProperty("merges").EnumerateArray().Select(m => m.GetString()!)];

    private static readonly Gen<string> Texts = Gen.OneOf<string>(
        Gen.OneOf(" the", "ing ", "the", "and ", " café", "cafe\u0301", "日本語", "Привет", "😀", "\U0001D400", "\n\n", "  ", "'s", "2026", "<|eot_id|>", "<tool>", "aaaa", " understandings"),
        Gen.String[Gen.Char['\u0020', '\u007E'], 0, 6],
        Gen.Int[0, 0x10FFFF].Where(Rune.IsValid).Select(c => new Rune(c).ToString())).Array[0, 12].Select(string.Concat);

    private readonly string _folder = Directory.CreateTempSubdirectory("asft-tok-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Decoding_gives_the_composed_text_back() => Texts.Sample(text =>
        Assert.Equal(CanonicalComposition.Normalize(text).Text, Tokenizer.Decode(Tokenizer.Encode(text))), iter: 3000);

    [Fact]
    public void Without_a_normalizer_decoding_gives_the_text_itself_back()
    {
        LanguageTokenizer tokenizer = Variant(root => root["normalizer"] = null);
        Texts.Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))), iter: 3000);
    }

    [Fact]
    public void A_control_character_without_a_token_is_left_out_and_its_place_is_a_neighbours()
    {
        LanguageTokenizer tokenizer = Variant(root => root["model"]!["vocab"]!.AsObject().Remove("Ą"));
        Assert.Equal(tokenizer.Encode("4"), tokenizer.Encode("\u00044\u0004", out IReadOnlyList<int> ends));
        Assert.Equal([3], ends);
        Assert.Equal("4", tokenizer.Decode(tokenizer.Encode("\u00044\u0004")));
        Assert.Empty(tokenizer.Encode("\u0004"));
    }

    [Fact]
    public void One_long_word_takes_n_log_n_steps() =>
        Assert.Equal(new string('日', 300_000), Tokenizer.Decode(Tokenizer.Encode(new string('日', 300_000))));

    [Fact]
    public void Ends_never_fall_and_cover_the_text() => Texts.Sample(text =>
    {
        IReadOnlyList<int> ids = Tokenizer.Encode(text, out IReadOnlyList<int> ends);
        Assert.Equal(ids.Count, ends.Count);
        Assert.Equal(ends.Order(), ends);
        Assert.Equal(text.Length, ends.Count == 0 ? 0 : ends[^1]);
    }, iter: 3000);

    [Fact]
    public void Each_end_is_where_the_characters_of_the_token_end()
    {
        IReadOnlyList<int> ids = Tokenizer.Encode("the 😀cafe\u0301 日x", out IReadOnlyList<int> ends);
        for (int i = 0; i < ids.Count; i++)
        {
            if (i + 1 < ids.Count && ends[i + 1] == ends[i]) continue; // inside a character
            string covered = "the 😀cafe\u0301 日x"[..ends[i]];
            Assert.Equal(CanonicalComposition.Normalize(covered).Text, Tokenizer.Decode(ids.Take(i + 1)));
        }
    }

    [Fact]
    public void Merges_as_a_plain_reimplementation_does()
    {
        // Letters of one word, so that the expression does not split: only merging is compared.
        LanguageTokenizer tokenizer = Variant(root => root["model"]!["ignore_merges"] = false);
        Gen.OneOf("t", "h", "e", "an", "d", "s", "r", "ing", "a", "é", "П", "р", "日", "本").Array[1, 25].Select(string.Concat)
            .Sample(word => Assert.Equal(Naive(word), tokenizer.Encode(word)), iter: 5000);
    }

    [Fact]
    public void Both_layouts_of_merges_are_one_tokenizer()
    {
        LanguageTokenizer pairs = Variant(root =>
        {
            JsonArray merges = root["model"]!["merges"]!.AsArray();
            for (int i = 0; i < merges.Count; i++) merges[i] = new JsonArray([.. merges[i]!.GetValue<string>().Split(' ').Select(s => (JsonNode)s!)]);
        });
        Texts.Sample(text => Assert.Equal(Tokenizer.Encode(text), pairs.Encode(text)), iter: 1000);
    }

    [Fact]
    public void Text_that_spells_a_special_token_stays_text()
    {
        int[] special = [.. new[] { "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>" }.Select(t => Tokenizer.FindSpecialToken(t)!.Value)];
        Assert.Equal(5, special.Distinct().Count());
        Texts.Sample(text => Assert.Empty(Tokenizer.Encode(text + "<|eot_id|><|begin_of_text|>").Intersect(special)), iter: 500);
    }

    [Fact]
    public void An_added_token_that_is_not_special_is_found_in_text()
    {
        IReadOnlyList<int> ids = Tokenizer.Encode("the<tool>and", out IReadOnlyList<int> ends);
        Assert.Equal("<tool>", Tokenizer.Decode([ids.Single(id => id == Tokenizer.VocabularySize - 1)]));
        Assert.Contains(3, ends);
        Assert.Contains(9, ends);
    }

    [Fact]
    public void A_word_that_is_a_token_is_taken_whole_when_merges_are_ignored()
    {
        int whole = Model.GetProperty("vocab").GetProperty(Understandings).GetInt32();
        Assert.Equal([whole], Tokenizer.Encode(" understandings"));
        Assert.NotEqual([whole], Variant(root => root["model"]!["ignore_merges"] = false).Encode(" understandings"));
    }

    [Fact]
    public void Decomposed_and_composed_text_have_the_same_ids()
    {
        Assert.Equal(Tokenizer.Encode("café über"), Tokenizer.Encode("cafe\u0301 u\u0308ber", out IReadOnlyList<int> ends));
        Assert.Equal(11, ends[^1]);
    }

    [Fact]
    public void A_prefixed_space_covers_no_character()
    {
        LanguageTokenizer tokenizer = Variant(root => root["pre_tokenizer"] = JsonNode.Parse("""{"type":"ByteLevel","add_prefix_space":true}"""));
        IReadOnlyList<int> ids = tokenizer.Encode("the", out IReadOnlyList<int> ends);
        Assert.Equal(" the", tokenizer.Decode(ids));
        Assert.Equal(3, ends[^1]);
    }

    [Fact]
    public void Special_tokens_come_from_the_files_beside()
    {
        Assert.Equal(Tokenizer.FindSpecialToken("<|begin_of_text|>"), Tokenizer.BosId);
        Assert.Equal([Tokenizer.FindSpecialToken("<|eot_id|>")!.Value, Tokenizer.FindSpecialToken("<|end_of_text|>")!.Value], Tokenizer.EosIds);
        Assert.Equal(Tokenizer.EosIds[0], Tokenizer.PadId);
        Assert.True(Tokenizer.AddBos); // the post-processor says so
        Assert.Equal("", Tokenizer.Decode([Tokenizer.BosId!.Value]));
        Assert.Equal("<|begin_of_text|>", Tokenizer.Decode([Tokenizer.BosId!.Value], skipSpecialTokens: false));
    }

    [Fact]
    public void Words_of_astral_letters_are_not_taken_apart()
    {
        var splitter = new WordSplitter([new Regex(@"\p{L}+|\P{L}+")], "tokenizer.json");
        Assert.Equal([(0, 5), (5, 1), (6, 2)], splitter.Split("a\U0001D400\U00020000!\U0001D401"));
    }

    [Fact]
    public void Threads_share_one_tokenizer()
    {
        string[] texts = [.. Enumerable.Range(0, 400).Select(i => $"the {i} understandings café 日本語 {i * 7919} and then {new string((char)('a' + i % 26), i % 17)}")];
        LanguageTokenizer fresh = LanguageTokenizer.Load(Source);
        var parallel = new IReadOnlyList<int>[texts.Length];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => parallel[i] = fresh.Encode(texts[i]));
        for (int i = 0; i < texts.Length; i++) Assert.Equal(Tokenizer.Encode(texts[i]), parallel[i]);
    }

    private LanguageTokenizer Variant(Action<JsonNode> change)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllBytes(Path.Combine(Source, "tokenizer.json")))!;
        change(root);
        File.WriteAllText(Path.Combine(_folder, "tokenizer.json"), root.ToJsonString());
        return LanguageTokenizer.Load(_folder);
    }

    // The definition of byte-pair encoding: again and again, the leftmost pair of least rank.
    private static int[] Naive(string word)
    {
        List<string> parts = [.. Encoding.UTF8.GetBytes(word).Select(b => ByteAlphabet.Character(b).ToString())];
        while (true)
        {
            (int rank, int at) = Enumerable.Range(0, parts.Count - 1)
                .Select(i => (Array.IndexOf(Merges, parts[i] + " " + parts[i + 1]), i)).Where(p => p.Item1 >= 0).DefaultIfEmpty((-1, 0)).Min();
            if (rank < 0) return [.. parts.Select(p => Model.GetProperty("vocab").GetProperty(p).GetInt32())];
            parts[at] += parts[at + 1];
            parts.RemoveAt(at + 1);
        }
    }
}
