using System.Text.Json;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Training;

public sealed class LearningRateTests
{
    private static double At(LearningRateSchedule schedule, int step, double warmup = 0) =>
        LearningRate.At(new TrainingOptions { LearningRate = 1, Schedule = schedule, WarmupRatio = warmup }, step, totalSteps: 100, stepsPerEpoch: 10);

    [Theory]
    [InlineData(LearningRateSchedule.Constant, 99, 1)]
    [InlineData(LearningRateSchedule.Linear, 0, 1)]
    [InlineData(LearningRateSchedule.Linear, 75, 0.25)]
    [InlineData(LearningRateSchedule.Cosine, 50, 0.5)]
    [InlineData(LearningRateSchedule.Cosine, 25, 0.8535533905932737)]
    [InlineData(LearningRateSchedule.StepPerEpoch, 9, 1)]
    [InlineData(LearningRateSchedule.StepPerEpoch, 10, 0.85)]
    [InlineData(LearningRateSchedule.StepPerEpoch, 39, 0.614125)]
    public void ScheduleHasItsShape(LearningRateSchedule schedule, int step, double expected) => Assert.Equal(expected, At(schedule, step), 1e-12);

    [Fact]
    public void WarmupRisesFrom0ToThePeakAndScheduleStartsThere()
    {
        Assert.Equal(0, At(LearningRateSchedule.Linear, 0, warmup: 0.1), 1e-12);
        Assert.Equal(0.9, At(LearningRateSchedule.Linear, 9, warmup: 0.1), 1e-12);
        Assert.Equal(1, At(LearningRateSchedule.Linear, 10, warmup: 0.1), 1e-12);
        Assert.Equal(0.5, At(LearningRateSchedule.Linear, 55, warmup: 0.1), 1e-12);
    }

    [Fact]
    [Trait("Category", "Goldens")]
    public void EveryStepsRateIsTransformers()
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(TestData.Goldens, "statistics.json")));
        foreach (var run in golden.RootElement.GetProperty("learning_rates").EnumerateArray())
        {
            int? Steps(string name) => run.TryGetProperty(name, out var value) && value.GetInt32() > 0 ? value.GetInt32() : null;
            var name = run.GetProperty("name").GetString()!;
            var options = new TrainingOptions
            {
                LearningRate = run.GetProperty("lr").GetDouble(),
                Schedule = name == "constant_with_warmup" ? LearningRateSchedule.Constant : Enum.Parse<LearningRateSchedule>(name.Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
                WarmupSteps = Steps("num_warmup_steps"),
                NumCycles = Steps("num_cycles") ?? 1,
                NumDecaySteps = Steps("num_decay_steps"),
                MinLearningRate = run.TryGetProperty("min_lr", out var least) ? least.GetDouble() : null,
            };
            options.Validate();
            var (total, expected) = (run.GetProperty("num_training_steps").GetInt32(), run.GetProperty("rates").EnumerateArray().Select(rate => rate.GetDouble()).ToArray());
            var found = Enumerable.Range(0, expected.Length).Select(step => LearningRate.At(options, step, total, stepsPerEpoch: total)).ToArray();
            for (var step = 0; step < expected.Length; step++) Assert.True(Math.Abs(found[step] - expected[step]) <= 1e-12 * options.LearningRate, $"{name}, step {step}: {found[step]:R}, transformers {expected[step]:R}");
        }
    }

    [Fact]
    public void AMinimumAboveThePeakIsRefused() =>
        Assert.Equal("MinLearningRate", Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { LearningRate = 1e-4, MinLearningRate = 1e-3 }.Validate()).ParamName);
}
