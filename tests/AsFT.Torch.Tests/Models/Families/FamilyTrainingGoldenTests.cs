using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>The penalty of every layer and whole training runs of every family against PyTorch's and PEFT's.</summary>
[Trait("Category", "Goldens")]
public sealed class FamilyTrainingGoldenTests
{
    public static TheoryData<string> Names() => [.. FamilyFolder.TrainedNames()];

    public static TheoryData<string, int, bool> Runs()
    {
        var data = new TheoryData<string, int, bool>();
        foreach (var name in FamilyFolder.TrainedNames())
            foreach (var (lambda, checkpointing) in new[] { (0, true), (1, false), (1, true) }) data.Add(name, lambda, checkpointing);
        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_penalty_of_each_layer_is_the_formulas(string name)
    {
        using var family = FamilyFolder.Open(name);
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        using var adapter = LoraAdapter.Load(model.LinearLayers(), family["adapter"]);
        var expected = family.Golden.GetProperty("penalty").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetDouble());
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), adapter.Layers.Select(layer => PeftNames.Of(layer.Name) + ".weight").Order(StringComparer.Ordinal));
        using var direction = Direction(family, adapter);
        foreach (var layer in adapter.Layers)
        {
            using var scope = NewDisposeScope();
            using var penalty = new AlignmentPenalty(direction, [layer]);
            var value = expected[PeftNames.Of(layer.Name) + ".weight"];
            Assert.Equal(value, penalty.Evaluate().to(ScalarType.Float64).item<double>(), 2e-5 * value);
        }
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Every_step_of_a_run_matches(string name, int lambda, bool checkpointing)
    {
        using var family = FamilyFolder.Open(name);
        using var model = CausalLanguageModel.Load(family["aligned"], ComputePlacement.Resolve("cpu", "float32"));
        using var adapter = LoraAdapter.Load(model.LinearLayers(), family["adapter"]);
        using var direction = Direction(family, adapter);
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);
        var expected = family.Golden.GetProperty($"curve.lambda{lambda}").EnumerateArray().ToArray();
        // The first four tokens are the prompt's.
        var examples = family.Rows.Take(family.Rows.Count - 1).Select(ids => new TokenizedExample(ids, [.. ids.Select((_, t) => t >= 4)])).ToList();

        var result = new FineTuner(model, adapter, penalty, new TrainingOptions
        {
            Epochs = expected.Length,
            BatchSize = examples.Count,
            LearningRate = 1e-3,
            Schedule = LearningRateSchedule.Constant,
            PenaltyWeight = lambda,
            Shuffle = false,
            ReportEvery = 1,
            ActivationCheckpointing = checkpointing,
        }).Train(examples);

        Assert.Equal(expected.Length, result.History.Count);
        for (var i = 0; i < expected.Length; i++)
        {
            var (crossEntropy, value) = (expected[i][0].GetDouble(), expected[i][1].GetDouble());
            Assert.Equal(crossEntropy, result.History[i].CrossEntropy, 2e-5);
            Assert.Equal(value, result.History[i].Penalty, 2e-5 * Math.Max(1, value));
        }
        if (lambda == 0) return;
        using var scope = NewDisposeScope();
        foreach (var layer in adapter.Layers)
        {
            string Final(string factor) => $"final.base_model.model.{PeftNames.Of(layer.Name)}.{factor}.default.weight";
            Assert.True(TinyLlama.MaxDifference(family.Tensors.Read(Final("lora_A")), layer.A) < 2e-4, layer.Name);
            Assert.True(TinyLlama.MaxDifference(family.Tensors.Read(Final("lora_B")), layer.B) < 2e-4, layer.Name);
        }
    }

    private static AlignmentDirection Direction(FamilyFolder family, LoraAdapter adapter)
    {
        using var aligned = ModelCheckpoint.Open(family["aligned"]);
        using var baseline = ModelCheckpoint.Open(family["base"]);
        return AlignmentDirection.Build(aligned, baseline, adapter.Layers.Select(layer => layer.Name));
    }
}
