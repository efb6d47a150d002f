using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Tests.Safety.Judges;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Safety.Evaluation;

public sealed class SafetyEvaluationTests
{
    private static readonly ComputePlacement Cpu = ComputePlacement.Resolve("cpu", "float32");

    [Fact]
    public async Task Any_checkpoint_with_any_judge_and_lists_that_are_empty()
    {
        var folder = TestData.Model("models/stories260K");
        using var model = CausalLanguageModel.Load(folder, Cpu);
        using var scratch = new Checkpoints.TemporaryFolder();
        using var judge = ModerationModelJudge.Load(TestJudge.Write(scratch.Path, BeaverTailsCategories.All), placement: Cpu);
        var options = new SafetyEvaluationOptions { Template = ChatTemplate.Plain, Generation = new() { MaxNewTokens = 12 }, TaskMaxNewTokens = 3 };
        ChatExample[] prompts = [new("Once upon a time"), new("The dog", Context: "ran to the park")];

        var found = await SafetyEvaluation.RunAsync(new TextGenerator(model, LanguageTokenizer.Load(folder)),
            new SafetyPrompts { Harmful = prompts, Task = [new("One day", "Lily")], TaskRule = AccuracyRule.LabelMatch, TaskLabels = ["Lily", "Tom"] }, judge, options, TestContext.Current.CancellationToken);
        var verdicts = await judge.JudgeAsync(found.HarmfulAnswers, TestContext.Current.CancellationToken);
        Assert.Equal(verdicts.Select(v => v.Score), found.Verdicts.Select(v => v.Score));
        Assert.Equal("The dog\n\nran to the park", found.HarmfulAnswers[1].Prompt);
        Assert.Equal(verdicts.Count(v => v.IsHarmful), found.Harmfulness.HarmfulScoreOfAll.Count);
        Assert.Equal(14, found.Harmfulness.Categories.Count);
        Assert.Equal(0, found.OverRefusal.Rate.Total);
        Assert.True(double.IsNaN(found.OverRefusal.Rate.Percent));
        Assert.True(found.TaskAnswers[0].Answer.Length < found.HarmfulAnswers[0].Answer.Length);
    }

    [Fact]
    public async Task A_task_example_without_its_answer_is_refused()
    {
        var folder = TestData.Model("models/stories260K");
        using var model = CausalLanguageModel.Load(folder, Cpu);
        using var judge = new RefusalMatchJudge();
        var error = await Assert.ThrowsAsync<ArgumentException>(() => SafetyEvaluation.RunAsync(new TextGenerator(model, LanguageTokenizer.Load(folder)),
            new SafetyPrompts { Task = [new("What?")] }, judge, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("Task example 0", error.Message);
    }
}
