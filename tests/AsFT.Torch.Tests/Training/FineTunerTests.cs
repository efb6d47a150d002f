using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Training;

public sealed class FineTunerTests : IDisposable
{
    private static readonly TrainingOptions Short = SmallRun.Options;

    private readonly string _folder = Directory.CreateTempSubdirectory("asft-train-").FullName;

    [Fact]
    public void SameSeedGivesTheSameBits()
    {
        var first = SmallRun.Train(Short);
        var second = SmallRun.Train(Short);
        Assert.Equal(first.Adapter, second.Adapter);
        Assert.Equal(first.Result.History.Select(h => h.CrossEntropy), second.Result.History.Select(h => h.CrossEntropy));
        var other = SmallRun.Train(Short with { Seed = 7 });
        Assert.NotEqual(first.Adapter, other.Adapter);
    }

    [Fact]
    public void LossFallsAndPenaltyIsCounted()
    {
        var run = SmallRun.Train(Short with { Epochs = 12 });
        Assert.True(run.Result.CrossEntropy < run.Result.History[0].CrossEntropy - 0.05, $"{run.Result.History[0].CrossEntropy} to {run.Result.CrossEntropy}");
        Assert.Equal(0, run.Result.History[0].Penalty);
        Assert.True(run.Result.Penalty > 0);
        Assert.InRange(run.Result.AnchoredShare, 1e-6, 1);
    }

    [Fact]
    public void LargerLambdaKeepsThePenaltySmaller()
    {
        var penalties = new[] { 0.0, 1, 100 }.Select(lambda => SmallRun.Train(Short with { Epochs = 6, PenaltyWeight = lambda }).Result.Penalty).ToArray();
        Assert.True(penalties[0] > penalties[1] && penalties[1] > penalties[2], string.Join(", ", penalties));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void MicroBatchesAddUpToTheSameStep(int microBatchSize)
    {
        // λ counts once per step, and cross-entropy is one mean over all tokens, so splitting changes only rounding.
        var whole = SmallRun.Train(Short, dropout: 0);
        var split = SmallRun.Train(Short with { MicroBatchSize = microBatchSize }, dropout: 0);
        foreach (var (expected, actual) in whole.Result.History.Zip(split.Result.History))
        {
            Assert.Equal(expected.CrossEntropy, actual.CrossEntropy, 1e-4);
            Assert.Equal(expected.Penalty, actual.Penalty, 1e-4);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(6)]
    public void ResumedRunGivesTheBitsOfAnUninterruptedOne(int stopAfter)
    {
        var options = Short with { Epochs = 3, CheckpointFolder = _folder, CheckpointEvery = 1, EarlyStoppingPatience = 3 };
        var whole = SmallRun.Train(options with { CheckpointFolder = Path.Combine(_folder, "whole") }, validate: true);
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => SmallRun.Train(options, validate: true, cancellationToken: cancel.Token,
            progress: new SmallRun.Callback(report => { if (report.Step == stopAfter) cancel.Cancel(); })));
        var resumed = SmallRun.Train(options with { Resume = true }, validate: true);
        Assert.Equal(whole.Adapter, resumed.Adapter);
        Assert.Equal(whole.Result.CrossEntropy, resumed.Result.CrossEntropy, 1e-9);
        Assert.Equal(whole.Result.ValidationLoss, resumed.Result.ValidationLoss);
        Assert.Equal(stopAfter + 1, resumed.Result.History[0].Step);
    }

    [Fact]
    public void CheckpointOfAnotherRunIsRefused()
    {
        var options = Short with { CheckpointFolder = _folder };
        SmallRun.Train(options);
        var error = Assert.Throws<InvalidDataException>(() => SmallRun.Train(options with { Resume = true, LearningRate = 1e-3 }));
        Assert.Contains("training-state.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EarlyStoppingGoesBackToTheBestAdapter()
    {
        // A rate this high makes the validation loss worse from some epoch on.
        var run = SmallRun.Train(Short with { Epochs = 40, LearningRate = 0.3, Schedule = LearningRateSchedule.Constant, EarlyStoppingPatience = 2 }, validate: true);
        Assert.True(run.Result.StoppedEarly);
        var losses = run.Result.History.Select(h => h.ValidationLoss).OfType<double>().ToArray();
        Assert.Equal(losses.Min(), run.Result.ValidationLoss);
        // Other batches add up in another order.
        Assert.Equal(losses.Min(), run.MeasuredValidationLoss, 1e-6);
    }

    [Fact]
    public void ResumingAFinishedRunTrainsNoFurther()
    {
        var options = Short with { Epochs = 40, LearningRate = 0.3, Schedule = LearningRateSchedule.Constant, EarlyStoppingPatience = 2, CheckpointFolder = _folder };
        var whole = SmallRun.Train(options, validate: true);
        var again = SmallRun.Train(options with { Resume = true }, validate: true);
        Assert.Equal(whole.Result.Steps, again.Result.Steps);
        Assert.Equal(whole.Adapter, again.Adapter);
        Assert.Equal(whole.Result.ValidationLoss, again.Result.ValidationLoss);
        Assert.True(again.Result.StoppedEarly);
    }

    [Fact]
    public void ReportsAverageTheStepsSinceTheLast()
    {
        var every = SmallRun.Train(Short with { CheckpointFolder = _folder, CheckpointEvery = 1 }).Result.History;
        var rare = SmallRun.Train(Short with { ReportEvery = 3, CheckpointFolder = _folder, CheckpointEvery = 1 }).Result;
        // The first step reports at once.
        Assert.Equal([1, 3, 6], rare.History.Select(h => h.Step));
        Assert.Equal(every[0].CrossEntropy, rare.History[0].CrossEntropy, 1e-6);
        Assert.Equal(every.Skip(1).Take(2).Average(h => h.CrossEntropy), rare.History[1].CrossEntropy, 1e-6);
        Assert.Equal(every.Skip(3).Average(h => h.CrossEntropy), rare.History[2].CrossEntropy, 1e-6);
        Assert.Equal(every.Skip(3).Average(h => h.CrossEntropy), rare.CrossEntropy, 1e-6);
    }

    [Fact]
    public void ABatchLargerThanTheDataIsOneStep()
    {
        var run = SmallRun.Train(Short with { BatchSize = int.MaxValue });
        Assert.Equal(2, run.Result.Steps);
        Assert.True(double.IsFinite(run.Result.CrossEntropy));
    }

    [Fact]
    public void CheckpointOfAnotherAdapterIsRefused()
    {
        var options = Short with { CheckpointFolder = _folder };
        SmallRun.Train(options);
        Assert.Throws<InvalidDataException>(() => SmallRun.Train(options with { Resume = true }, dropout: 0.2));
    }

    [Fact]
    public void MergedAdapterIsNotTrained()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions(), seed: 0);
        adapter.Merge();
        Assert.Throws<InvalidOperationException>(() => new FineTuner(model, adapter, null, Short));
    }

    [Fact]
    public void GradientIsClippedToTheLimit()
    {
        // AdamW does not see the scale of a constant gradient, so clipping shows in the first steps only through ε.
        var free = SmallRun.Train(Short with { MaxSteps = 1, Epsilon = 1 }, dropout: 0);
        var clipped = SmallRun.Train(Short with { MaxSteps = 1, Epsilon = 1, MaxGradientNorm = free.Result.History[0].GradientNorm / 10 }, dropout: 0);
        Assert.Equal(free.Result.History[0].GradientNorm, clipped.Result.History[0].GradientNorm, 1e-6);
        Assert.NotEqual(free.Adapter, clipped.Adapter);
    }

    [Fact]
    public void NonFiniteLossNamesStepAndExamples()
    {
        var error = Assert.Throws<TrainingDivergedException>(() => SmallRun.Train(Short with { Epochs = 20, LearningRate = 1e30, Schedule = LearningRateSchedule.Constant }));
        Assert.Contains("at step", error.Message, StringComparison.Ordinal);
        Assert.Contains("examples", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CancelledRunLeavesNothing()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => SmallRun.Train(Short with { CheckpointFolder = Path.Combine(_folder, "none") }, cancellationToken: cancel.Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public void ExamplesThatCannotBeTrainedOnAreNamed()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions(), seed: 0);
        var tuner = new FineTuner(model, adapter, null, Short);
        ArgumentException Fails(params TokenizedExample[] examples) => Assert.Throws<ArgumentException>(() => tuner.Train(examples));
        var good = new TokenizedExample([1, 2], [false, true]);
        Assert.Contains("no examples", Fails().Message, StringComparison.Ordinal);
        Assert.Contains("Example 1 has no supervised token", Fails(good, new([1, 2], [true, false])).Message, StringComparison.Ordinal);
        Assert.Contains("token 48", Fails(good, new([1, 48], [false, true])).Message, StringComparison.Ordinal);
        Assert.Contains("65 tokens", Fails(new TokenizedExample(new int[65], Enumerable.Repeat(true, 65).ToArray())).Message, StringComparison.Ordinal);
        Assert.Contains("supervision marks", Fails(new TokenizedExample([1, 2], [true])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(-1)]
    [InlineData(double.PositiveInfinity)]
    public void LambdaOutOfRangeIsNamed(double lambda) =>
        Assert.Equal("PenaltyWeight", Assert.Throws<ArgumentOutOfRangeException>(() => SmallRun.Train(Short with { PenaltyWeight = lambda })).ParamName);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
