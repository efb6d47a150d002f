using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Generation;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Runtime;

public sealed class OptionRangeTests
{
    private static readonly Dictionary<string, (Action Validate, string Option)> Wrong = new()
    {
        ["lr 1e38"] = (() => new TrainingOptions { LearningRate = 1e38 }.Validate(), "LearningRate"),
        ["lr 1e-45"] = (() => new TrainingOptions { LearningRate = 1e-45 }.Validate(), "LearningRate"),
        ["lr NaN"] = (() => new TrainingOptions { LearningRate = double.NaN }.Validate(), "LearningRate"),
        ["clip 1e-45"] = (() => new TrainingOptions { MaxGradientNorm = 1e-45 }.Validate(), "MaxGradientNorm"),
        ["clip 1e39"] = (() => new TrainingOptions { MaxGradientNorm = 1e39 }.Validate(), "MaxGradientNorm"),
        ["λ 1e38"] = (() => new TrainingOptions { PenaltyWeight = 1e38 }.Validate(), "PenaltyWeight"),
        ["λ 1e-45"] = (() => new TrainingOptions { PenaltyWeight = 1e-45 }.Validate(), "PenaltyWeight"),
        ["ε 1e-45"] = (() => new TrainingOptions { Epsilon = 1e-45 }.Validate(), "Epsilon"),
        ["ε 1e30"] = (() => new TrainingOptions { Epsilon = 1e30 }.Validate(), "Epsilon"),
        ["β₂ almost 1"] = (() => new TrainingOptions { Beta2 = 1 - 1e-16 }.Validate(), "Beta2"),
        ["decay 1e-300"] = (() => new TrainingOptions { EpochDecay = 1e-300 }.Validate(), "EpochDecay"),
        ["a decay that turns weights round"] = (() => new TrainingOptions { LearningRate = 1e-2, WeightDecay = 100 }.Validate(), "WeightDecay"),
        ["tolerance 1e-45"] = (() => new TrainingOptions { RefusalTolerance = 1e-45 }.Validate(), "RefusalTolerance"),
        ["α 1e30"] = (() => new LoraOptions { Alpha = 1e30 }.Validate(), "Alpha"),
        ["α 1e-45"] = (() => new LoraOptions { Alpha = 1e-45 }.Validate(), "Alpha"),
        ["dropout almost 1"] = (() => new LoraOptions { Dropout = 1 - 1e-12 }.Validate(), "Dropout"),
        ["temperature 1e-45"] = (() => new GenerationOptions { Temperature = 1e-45 }.Validate(), "Temperature"),
        ["temperature 1e38"] = (() => new GenerationOptions { Temperature = 1e38 }.Validate(), "Temperature"),
        ["repetition 1e-45"] = (() => new GenerationOptions { RepetitionPenalty = 1e-45 }.Validate(), "RepetitionPenalty"),
        ["energy 1e-45"] = (() => new AlignmentPenaltyOptions { SubspaceEnergy = 1e-45 }.Validate(), "SubspaceEnergy"),
        ["a judge's batch"] = (() => new ModerationJudgeOptions { BatchSize = 0 }.Validate(), "BatchSize"),
        ["a judge's training"] = (() => new JudgeTrainingOptions { Training = new() { LearningRate = 1e38 } }.Validate(), "LearningRate"),
        ["a judge's adapter"] = (() => new JudgeTrainingOptions { Lora = new() { Alpha = 1e30 } }.Validate(), "Alpha"),
    };

    public static TheoryData<string> WrongOptions => [.. Wrong.Keys];

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void A_number_that_float32_loses_or_breaks_is_refused_with_its_name_and_the_reason(string what)
    {
        var (validate, option) = Wrong[what];
        var error = Assert.Throws<ArgumentOutOfRangeException>(validate);
        Assert.Equal(option, error.ParamName);
        Assert.Matches($"^{option} must be (0, or )?(from|at least|below) [^:]+: .+", error.Message);
    }

    [Fact]
    public void Every_default_and_the_ends_are_allowed()
    {
        new TrainingOptions().Validate();
        new JudgeTrainingOptions().Validate();
        new GenerationOptions().Validate();
        Assert.All(new[] { OptionRange.Alpha.Least, OptionRange.Alpha.Most }, alpha => Assert.True(OptionRange.Alpha.Holds(alpha)));
        Assert.True(OptionRange.PenaltyWeight.Holds(0) && OptionRange.Temperature.Holds(0) && OptionRange.WarmupRatio.Holds(0));
        Assert.False(OptionRange.WarmupRatio.Holds(1) || OptionRange.Threshold.Holds(1) || OptionRange.PenaltyWeight.Holds(-0.1));
    }

    [Fact]
    public void A_range_is_told_in_words()
    {
        Assert.Equal("0, or from 0.001 to 100", OptionRange.Temperature.ToString());
        Assert.Equal("at least 1", OptionRange.Count.ToString());
        Assert.Equal("from 0 to below 1", OptionRange.Threshold.ToString());
    }
}
