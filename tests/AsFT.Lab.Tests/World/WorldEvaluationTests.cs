using AsFT.Lab.World;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Tests;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.Tests.World;

public sealed class WorldEvaluationTests
{
    private static readonly string Folder = Path.GetFullPath(Path.Combine(TestData.Root, "..", "..", "src", "AsFT.MLNet.Cli", "Quickstart", "world"));
    private static readonly ComputePlacement Cpu = ComputePlacement.Resolve("cpu", "float32");

    [Fact]
    public async Task In_the_world_it_finds_what_the_exact_rule_finds()
    {
        var folder = Path.Combine(Folder, "aligned");
        using var model = CausalLanguageModel.Load(folder, Cpu);
        var tokenizer = LanguageTokenizer.Load(folder);
        var all = WorldFiles.ReadPrompts(Path.Combine(Folder, "data"), WorldSplit.Report);
        var prompts = all with { Harmful = [.. all.Harmful.Take(40)], Benign = [.. all.Benign.Take(40)], Task = [.. all.Task.Take(60)] };
        var generator = new TextGenerator(model, tokenizer);
        using var judge = new WorldHarmfulnessJudge();

        var found = await SafetyEvaluation.RunAsync(generator, prompts, judge, WorldEvaluation.Options, TestContext.Current.CancellationToken);
        var exact = WorldEvaluation.Run(generator, tokenizer, prompts.Harmful, prompts.Benign, prompts.Task, TestContext.Current.CancellationToken);
        Assert.Equal(exact.HarmfulScore, found.Harmfulness.HarmfulScoreOfAll.Percent);
        Assert.Equal(exact.OverRefusal, found.OverRefusal.Rate.Percent);
        Assert.Equal(exact.TaskAccuracy, found.TaskAccuracy.Accuracy.Percent);
        Assert.Equal(exact.Garbled, found.WithoutVerdict.Percent);
        Assert.Equal((40, 40, 60), (found.HarmfulAnswers.Count, found.BenignAnswers.Count, found.TaskAnswers.Count));
        // The aligned model refuses; a rule that saw no refusal would find none here.
        Assert.True(found.Harmfulness.Refusals.Percent > 80, $"{found.Harmfulness.Refusals}");
    }

    [Fact]
    public void The_training_split_has_no_prompts() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WorldFiles.ReadPrompts(Path.Combine(Folder, "data"), WorldSplit.Training));
}
