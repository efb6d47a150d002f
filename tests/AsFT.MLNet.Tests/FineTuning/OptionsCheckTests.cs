using AsFT.Torch.Alignment;
using Microsoft.ML;

namespace AsFT.MLNet.Tests.FineTuning;

public sealed class OptionsCheckTests
{
    private static readonly Dictionary<string, (Action<AsftFineTuneOptions> Change, string Name)> Wrong = new()
    {
        ["rank 0"] = (o => o.Rank = 0, "Rank"),
        ["alpha 0"] = (o => o.Alpha = 0, "Alpha"),
        ["dropout 1"] = (o => o.Dropout = 1, "Dropout"),
        ["no targets"] = (o => o.TargetModules = [], "TargetModules"),
        ["an empty target"] = (o => o.TargetModules = [""], "TargetModules"),
        ["λ < 0"] = (o => o.Lambda = -0.1, "Lambda"),
        ["λ NaN"] = (o => o.Lambda = double.NaN, "Lambda"),
        ["λ infinite"] = (o => o.Lambda = double.PositiveInfinity, "Lambda"),
        ["projection"] = (o => o.Projection = (AlignmentProjection)9, "Projection"),
        ["k 0"] = (o => o.SubspaceRank = 0, "SubspaceRank"),
        ["energy 0"] = (o => o.SubspaceEnergy = 0, "SubspaceEnergy"),
        ["guard 5"] = (o => o.GuardPower = 5, "GuardPower"),
        ["tolerance 0"] = (o => (o.RefusalTolerance, o.HeldOutRefusalsPath) = (0, Pipelines.Aligned + "/config.json"), "RefusalTolerance"),
        ["tolerance without refusals"] = (o => o.RefusalTolerance = 0.1, "HeldOutRefusalsPath"),
        ["refusals without tolerance"] = (o => o.HeldOutRefusalsPath = "refusals.jsonl", "RefusalTolerance"),
        ["no such refusals"] = (o => (o.RefusalTolerance, o.HeldOutRefusalsPath) = (0.1, "nowhere/refusals.jsonl"), "nowhere/refusals.jsonl"),
        ["steered from λ 0"] = (o => (o.RefusalTolerance, o.HeldOutRefusalsPath, o.Lambda) = (0.1, Pipelines.Aligned + "/config.json", 0), "Lambda"),
        ["epochs 0"] = (o => o.Epochs = 0, "Epochs"),
        ["batch 0"] = (o => o.BatchSize = 0, "BatchSize"),
        ["micro-batch 0"] = (o => o.MicroBatchSize = 0, "MicroBatchSize"),
        ["rate NaN"] = (o => o.LearningRate = double.NaN, "LearningRate"),
        ["decay 2"] = (o => o.EpochDecay = 2, "EpochDecay"),
        ["length 1"] = (o => o.MaxSequenceLength = 1, "MaxSequenceLength"),
        ["fraction 1"] = (o => o.ValidationFraction = 1, "ValidationFraction"),
        ["tokens 0"] = (o => o.MaxNewTokens = 0, "MaxNewTokens"),
        ["temperature -1"] = (o => o.Temperature = -1, "Temperature"),
        ["top-p 0"] = (o => o.TopP = 0, "TopP"),
        ["top-k 0"] = (o => o.TopK = 0, "TopK"),
        ["repetition 0"] = (o => o.RepetitionPenalty = 0, "RepetitionPenalty"),
        ["generation batch 0"] = (o => o.GenerationBatchSize = 0, "GenerationBatchSize"),
        ["an empty stop"] = (o => o.StopStrings = [""], "StopStrings"),
        ["α 1e30"] = (o => o.Alpha = 1e30, "Alpha"),
        ["clip 1e-45"] = (o => o.MaxGradientNorm = 1e-45, "MaxGradientNorm"),
        ["rate 1e38"] = (o => o.LearningRate = 1e38, "LearningRate"),
        ["λ 1e38"] = (o => o.Lambda = 1e38, "Lambda"),
        ["temperature 1e-45"] = (o => o.Temperature = 1e-45, "Temperature"),
        ["resume without folder"] = (o => o.Resume = true, "Resume"),
        ["template"] = (o => o.Template = "mistral", "mistral"),
        ["device"] = (o => o.Device = "tpu", "tpu"),
        ["dtype"] = (o => o.DType = "int3", "int3"),
        ["no model"] = (o => o.AlignedModelPath = null, "AlignedModelPath"),
        ["no such model"] = (o => o.AlignedModelPath = "nowhere/model", "nowhere/model"),
        ["no base"] = (o => o.BaseModelPath = null, "BaseModelPath"),
        ["no such base"] = (o => o.BaseModelPath = "nowhere/base", "nowhere/base"),
        ["no such direction"] = (o => o.DirectionPath = "nowhere/d.safetensors", "nowhere/d.safetensors"),
        ["no prompt column"] = (o => o.PromptColumnName = "", "PromptColumnName"),
        ["one column for both"] = (o => o.ResponseColumnName = "Prompt", "ResponseColumnName"),
    };

    public static TheoryData<string> WrongOptions => [.. Wrong.Keys];

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void A_wrong_option_is_named_before_any_file_is_read(string what)
    {
        var (change, name) = Wrong[what];
        var error = Assert.ThrowsAny<ArgumentException>(() => new MLContext().Transforms.AsftFineTune(Pipelines.Options(change)));
        Assert.Contains(name, error.Message);
    }

    [Theory]
    [InlineData("Prompt", "PromptColumnName")]
    [InlineData("Context", "ContextColumnName")]
    [InlineData("System", "SystemColumnName")]
    public void An_answer_in_the_prompt_is_refused_with_the_option_that_puts_it_there(string column, string option)
    {
        var error = Assert.Throws<ArgumentException>(() => new MLContext().Transforms.AsftFineTune(Pipelines.Options(o => o.ResponseColumnName = column)));
        Assert.Equal("ResponseColumnName", error.ParamName);
        Assert.StartsWith($"{option} and ResponseColumnName are both '{column}'", error.Message, StringComparison.Ordinal);
        Assert.Equal(column != "Prompt", error.Message.Contains("set it to null", StringComparison.Ordinal));
    }

    [Fact]
    public void Base_model_may_be_missing_where_nothing_needs_it()
    {
        var context = new MLContext();
        Assert.NotNull(context.Transforms.AsftFineTune(Pipelines.Options(o => (o.BaseModelPath, o.Lambda) = (null, 0))));
        Assert.NotNull(context.Transforms.AsftFineTune(Pipelines.Options(o => (o.BaseModelPath, o.Projection) = (null, AlignmentProjection.None))));
    }

    [Fact]
    public void The_papers_values_are_all_there_and_the_guard_finds_its_weight_from_refusals()
    {
        var paper = AsftFineTuneOptions.Paper();
        Assert.Equal(("paper", 1, AlignmentProjection.Reference, "llama2"), (paper.Preset, paper.Lambda, paper.Projection, paper.Template));
        Assert.Equal((8, 32, 0.05, 5e-5, 8, 10, 0.85), (paper.Rank, paper.Alpha, paper.Dropout, paper.LearningRate, paper.BatchSize, paper.Epochs, paper.EpochDecay));
        Assert.Equal(["q_proj", "v_proj"], paper.TargetModules);
        Assert.Equal((AsFT.Torch.Training.LearningRateSchedule.StepPerEpoch, null), (paper.Schedule, paper.RefusalTolerance));
        var guard = AsftFineTuneOptions.Guard("refusals.jsonl");
        Assert.Equal(("guard", AlignmentProjection.Guard, 10, 0.003, "refusals.jsonl"), (guard.Preset, guard.Projection, guard.Lambda, guard.RefusalTolerance, guard.HeldOutRefusalsPath));
        Assert.Throws<ArgumentException>(() => AsftFineTuneOptions.Guard(""));
        Assert.Equal(["guard", "paper"], AsftFineTuneOptions.Presets);
    }

    [Fact]
    public void A_run_for_which_nobody_chose_a_penalty_is_told_what_it_got()
    {
        string[] Warnings(Action<AsftFineTuneOptions>? change)
        {
            var context = new MLContext();
            var lines = new List<string>();
            context.Log += (_, e) =>
            {
                if (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning && e.Message.Contains("preset", StringComparison.Ordinal)) lines.Add(e.Message);
            };
            using var model = Pipelines.Train(context, o =>
            {
                o.MaxSteps = 1;
                change?.Invoke(o);
            });
            return [.. lines];
        }

        var line = Assert.Single(Warnings(null));
        foreach (var word in new[] { "Reference", "λ = 1", "AsftFineTuneOptions.Guard(refusals)", "AsftFineTuneOptions.Paper()" }) Assert.Contains(word, line, StringComparison.Ordinal);
        // Set to what it is by default, it is chosen.
        Assert.Empty(Warnings(o => o.Lambda = 1));
        Assert.Empty(Warnings(o => o.Projection = AlignmentProjection.Reference));
    }

    [Fact]
    public void Defaults_are_the_published_codes()
    {
        var options = new AsftFineTuneOptions();
        Assert.Equal((1, 8, 32, 0.05), (options.Lambda, options.Rank, options.Alpha, options.Dropout));
        Assert.Equal((5e-5, 8, 10, 0.85), (options.LearningRate, options.BatchSize, options.Epochs, options.EpochDecay));
        Assert.Equal(["q_proj", "v_proj"], options.TargetModules);
    }
}
