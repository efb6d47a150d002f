using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Safety.Judges;

public sealed class ModerationModelJudgeTests : IDisposable
{
    private static readonly ComputePlacement Cpu = ComputePlacement.Resolve("cpu", "float32");

    private static readonly PromptAnswer[] Answers =
    [
        new("Who was Lily?", "Lily was a little girl."),
        new("Tell me a story.", "Once upon a time there was a big dog. He liked to play with his ball in the park, and he ran very fast."),
        new("Hi", ""),
        new("What is 2 + 2?", "4"),
        new("", "Once"),
        new("One day, Tom went to the shop.", "He saw a red hat </s> and bought it."),
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("asft-judge-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Checkpoint(IReadOnlyList<string>? labels = null, string problemType = "multi_label_classification") =>
        TestJudge.Write(_folder, labels ?? BeaverTailsCategories.All, problemType);

    private static int[] Ids(LanguageTokenizer tokenizer, PromptAnswer pair) =>
    [
        tokenizer.BosId!.Value,
        .. tokenizer.Encode($"BEGINNING OF CONVERSATION: USER: {pair.Prompt} ASSISTANT:{pair.Answer}"),
        tokenizer.EosIds[0],
    ];

    [Fact]
    public async Task Scores_are_the_sigmoids_of_a_plain_forward_pass()
    {
        var folder = Checkpoint();
        var tokenizer = LanguageTokenizer.Load(folder);
        var plain = new PlainClassifier(folder);
        using var judge = ModerationModelJudge.Load(folder, placement: Cpu);
        var verdicts = await judge.JudgeAsync(Answers);

        Assert.Equal(BeaverTailsCategories.All, judge.Categories);
        foreach (var (pair, verdict) in Answers.Zip(verdicts))
        {
            var expected = plain.Logits(Ids(tokenizer, pair)).Select(l => 1 / (1 + Math.Exp(-l))).ToArray();
            Assert.Equal(expected.Length, verdict.CategoryScores.Count);
            for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], verdict.CategoryScores[i], 1e-4);
            Assert.Equal(expected.Max(), verdict.Score, 1e-4);
            Assert.Equal(expected.Max() > 0.5, verdict.IsHarmful);
        }
        // A test on scores that are all the same would show nothing.
        Assert.True(verdicts.Max(v => v.Score) - verdicts.Min(v => v.CategoryScores.Min()) > 0.3);
    }

    [Fact]
    public async Task A_single_label_model_chooses_by_softmax_and_its_safe_class_is_no_category()
    {
        var folder = Checkpoint(["violence", "Safe", "theft"], "single_label_classification");
        var tokenizer = LanguageTokenizer.Load(folder);
        var plain = new PlainClassifier(folder);
        using var judge = ModerationModelJudge.Load(folder, placement: Cpu);
        var verdicts = await judge.JudgeAsync(Answers);

        Assert.Equal(["violence", "theft"], judge.Categories);
        foreach (var (pair, verdict) in Answers.Zip(verdicts))
        {
            var exponentials = plain.Logits(Ids(tokenizer, pair)).Select(Math.Exp).ToArray();
            Assert.Equal(exponentials[0] / exponentials.Sum(), verdict.CategoryScores[0], 1e-4);
            Assert.Equal(exponentials[2] / exponentials.Sum(), verdict.CategoryScores[1], 1e-4);
        }
    }

    [Fact]
    public async Task Batches_give_what_single_answers_give()
    {
        var folder = Checkpoint();
        using var model = SequenceClassifier.Load(folder, Cpu);
        var tokenizer = LanguageTokenizer.Load(folder);
        using var whole = new ModerationModelJudge(model, tokenizer);
        using var pairs = new ModerationModelJudge(model, tokenizer, new() { BatchSize = 2 });
        using var single = new ModerationModelJudge(model, tokenizer, new() { BatchSize = 1 });
        var batched = await whole.JudgeAsync(Answers);
        var two = await pairs.JudgeAsync(Answers);
        for (var i = 0; i < Answers.Length; i++)
        {
            var alone = Assert.Single(await single.JudgeAsync([Answers[i]]));
            for (var c = 0; c < alone.CategoryScores.Count; c++)
            {
                Assert.Equal(alone.CategoryScores[c], batched[i].CategoryScores[c], 1e-5f);
                Assert.Equal(alone.CategoryScores[c], two[i].CategoryScores[c], 1e-5f);
            }
        }
    }

    [Fact]
    public async Task A_long_conversation_is_cut_where_the_option_says()
    {
        var folder = Checkpoint();
        var tokenizer = LanguageTokenizer.Load(folder);
        var plain = new PlainClassifier(folder);
        var pair = Answers[1];
        var ids = Ids(tokenizer, pair);
        var length = ids.Length - 10;
        using var start = ModerationModelJudge.Load(folder, new() { MaxLength = length }, Cpu);
        using var end = ModerationModelJudge.Load(folder, new() { MaxLength = length, Truncation = ModerationTruncation.KeepEnd }, Cpu);

        double Expected(int[] cut) => plain.Logits(cut).Select(l => 1 / (1 + Math.Exp(-l))).Max();
        Assert.Equal(Expected(ids[..length]), (await start.JudgeAsync([pair]))[0].Score, 1e-4);
        Assert.Equal(Expected([ids[0], .. ids[^(length - 1)..]]), (await end.JudgeAsync([pair]))[0].Score, 1e-4);
    }

    [Fact]
    public async Task An_answer_that_does_not_fit_at_all_gets_no_verdict()
    {
        using var judge = ModerationModelJudge.Load(Checkpoint(), new() { MaxLength = 64 }, Cpu);
        var verdicts = await judge.JudgeAsync([new(string.Join(' ', Enumerable.Repeat("big dog", 100)), "Yes."), Answers[3]]);
        Assert.Contains("64 tokens", verdicts[0].UnparsableReason, StringComparison.Ordinal);
        Assert.True(verdicts[1].IsJudged);
    }

    [Fact]
    public async Task The_threshold_moves_the_flag_and_not_the_score()
    {
        var folder = Checkpoint();
        using var low = ModerationModelJudge.Load(folder, new() { Threshold = 0 }, Cpu);
        using var high = ModerationModelJudge.Load(folder, new() { Threshold = 0.999999 }, Cpu);
        var (lax, strict) = (await low.JudgeAsync(Answers), await high.JudgeAsync(Answers));
        Assert.All(lax, v => Assert.True(v.IsHarmful));
        Assert.All(strict, v => Assert.False(v.IsHarmful));
        Assert.Equal(lax.Select(v => v.Score), strict.Select(v => v.Score));
    }

    [Fact]
    public async Task Nothing_to_judge_and_cancellation()
    {
        using var judge = ModerationModelJudge.Load(Checkpoint(), placement: Cpu);
        Assert.Empty(await judge.JudgeAsync([]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => judge.JudgeAsync(Answers, new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData("regression", "problem_type")]
    [InlineData("single_label_classification", "SafeLabels")]
    public void A_checkpoint_that_is_no_judge_is_refused(string problemType, string named)
    {
        var folder = Checkpoint(["a", "b"], problemType);
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => ModerationModelJudge.Load(folder, placement: Cpu)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_that_are_all_safe_are_refused() =>
        Assert.Throws<InvalidDataException>(() => ModerationModelJudge.Load(Checkpoint(["safe"]), placement: Cpu));

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        foreach (var options in new ModerationJudgeOptions[] { new() { MaxLength = 7 }, new() { Threshold = 1 }, new() { Threshold = double.NaN }, new() { BatchSize = 0 }, new() { ProblemType = "regression" } })
            Assert.ThrowsAny<ArgumentException>(() => ModerationModelJudge.Load(_folder, options));
    }
}
