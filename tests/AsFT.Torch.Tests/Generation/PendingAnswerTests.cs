using AsFT.Torch.Generation;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Generation;

public sealed class PendingAnswerTests
{
    private static readonly LanguageTokenizer Tokenizer = LanguageTokenizer.Load(Path.Combine(TestData.Root, "tokenizers", "byte-level"));

    [Theory]
    [InlineData(" I cannot help you.\n", "I cannot help you.", null)]
    [InlineData("\n\nYes. User: more", "Yes.", "User:")]
    public void An_answer_is_without_the_templates_white_space_around_it(string written, string text, string? stop)
    {
        var ids = Tokenizer.Encode(written);
        var answer = new PendingAnswer(0, [1], ids.Count, 0);
        foreach (var id in ids)
            if (!answer.IsFinished) answer.Add(id, new HashSet<int>(), stop is null ? [] : [stop], Tokenizer);
        Assert.Equal(text, answer.ToGeneration(Tokenizer).Text);
    }
}
