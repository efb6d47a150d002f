using System.Text.Json;
using AsFT.Torch.Chat;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Tokenization;

/// <summary>Ids and texts of the SentencePiece library itself, on two real tokenizers.</summary>
[Trait("Category", "Goldens")]
public class TokenizerGoldenTests
{
    public static TheoryData<string> Files() => [.. Directory.GetFiles(TestData.Goldens, "tokenizer_*.json").Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Files))]
    public void Ids_and_texts_equal_those_of_the_reference(string file)
    {
        LanguageTokenizer tokenizer = Open(file);
        Golden[] cases = Read(file);
        Assert.NotEmpty(cases);
        var wrong = new List<string>();
        foreach (Golden golden in cases)
        {
            IReadOnlyList<int> ids = tokenizer.Encode(golden.text);
            if (!ids.SequenceEqual(golden.ids)) wrong.Add($"{golden.text}: [{string.Join(' ', ids)}], wanted [{string.Join(' ', golden.ids)}]");
            string decoded = tokenizer.Decode(golden.ids);
            if (decoded != golden.decoded) wrong.Add($"decoded '{decoded}', wanted '{golden.decoded}'");
        }
        Assert.Empty(wrong);
    }

    [Theory, MemberData(nameof(Files))]
    public void Ends_never_fall_and_cover_the_text(string file)
    {
        LanguageTokenizer tokenizer = Open(file);
        foreach (Golden golden in Read(file))
        {
            IReadOnlyList<int> ids = tokenizer.Encode(golden.text, out IReadOnlyList<int> ends);
            Assert.Equal(ids.Count, ends.Count);
            Assert.Equal(ends.Order(), ends);
            if (ids.Count > 0) Assert.Equal(golden.text.Length, ends[^1]);
        }
    }

    [Fact]
    public void Plain_template_gives_the_ids_and_labels_of_the_training_goldens()
    {
        string[] files = Directory.GetFiles(TestData.Goldens, "train_*.json");
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(file));
            LanguageTokenizer tokenizer = LanguageTokenizer.Load(TestData.Model(golden.RootElement.GetProperty("base").GetString()!));
            string[][] examples = golden.RootElement.GetProperty("examples").Deserialize<string[][]>()!;
            int[][] ids = [.. golden.RootElement.GetProperty("ids").Deserialize<int[][][]>()!.SelectMany(batch => batch)];
            int[][] labels = [.. golden.RootElement.GetProperty("labels").Deserialize<int[][][]>()!.SelectMany(batch => batch)];
            Assert.Equal(examples.Length, ids.Length);
            for (int i = 0; i < examples.Length; i++)
            {
                TokenizedExample tokens = ChatTemplate.Plain.Tokenize(tokenizer, new ChatExample(examples[i][0], examples[i][1]));
                Assert.Equal(ids[i][..tokens.Ids.Length], tokens.Ids);
                Assert.Equal(labels[i][..tokens.Ids.Length], tokens.Ids.Zip(tokens.Supervised, (id, supervised) => supervised ? id : -100));
                Assert.All(labels[i][tokens.Ids.Length..], label => Assert.Equal(-100, label)); // padding
                Assert.False(tokens.Truncated);
            }
        }
    }

    // tok512 is the tokenizer of stories260K; others have a folder of their name.
    private static LanguageTokenizer Open(string file)
    {
        string name = Path.GetFileNameWithoutExtension(file)["tokenizer_".Length..];
        return LanguageTokenizer.Load(TestData.Model(name == "tok512" ? "models/stories260K" : $"tokenizers/{name}"));
    }

    private static Golden[] Read(string file) => JsonSerializer.Deserialize<Golden[]>(File.ReadAllBytes(Path.Combine(TestData.Goldens, file)))!;

    private sealed record Golden(string text, int[] ids, string decoded);
}
