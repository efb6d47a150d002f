using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

/// <summary>Whole training runs against the published formula, computed independently.</summary>
[Trait("Category", "Goldens")]
public sealed class TrainingGoldenTests
{
    public static TheoryData<string, string, bool> Runs()
    {
        var data = new TheoryData<string, string, bool>();
        foreach (var path in Directory.EnumerateFiles(TestData.Goldens, "train_*.json").Order())
            foreach (var dtype in new[] { "float32", "float64" })
                foreach (var checkpointing in new[] { false, true })
                    data.Add(Path.GetFileNameWithoutExtension(path), dtype, checkpointing);
        return data;
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void EveryStepMatches(string name, string dtype, bool checkpointing)
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestData.Goldens, name + ".json")));
        var root = golden.RootElement;
        using var tensors = SafetensorsFile.Open(Path.Combine(TestData.Goldens, name + ".safetensors"));
        var placement = ComputePlacement.Resolve("cpu", dtype);
        var (aligned, baseline) = (TestData.Model(root.GetProperty("aligned").GetString()!), TestData.Model(root.GetProperty("base").GetString()!));
        using var model = CausalLanguageModel.Load(aligned, placement);
        var rank = root.GetProperty("rank").GetInt32();
        var targets = tensors.Entries.Keys.Where(key => key.StartsWith("init.", StringComparison.Ordinal)).Select(key => LayerName(key)).Distinct().ToArray();
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = rank, Alpha = root.GetProperty("alpha").GetDouble(), Dropout = 0, TargetModules = targets }, seed: 0);
        SetInitial(adapter, tensors);
        using var alignedFile = ModelCheckpoint.Open(aligned);
        using var baseFile = ModelCheckpoint.Open(baseline);
        using var direction = AlignmentDirection.Build(alignedFile, baseFile, adapter.Layers.Select(layer => layer.Name));
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);

        var batchSize = root.GetProperty("batch_size").GetInt32();
        var steps = root.GetProperty("steps").GetInt32();
        var examples = Examples(root);
        var result = new FineTuner(model, adapter, penalty, new TrainingOptions
        {
            Epochs = (steps * batchSize + examples.Count - 1) / examples.Count,
            MaxSteps = steps,
            BatchSize = batchSize,
            LearningRate = root.GetProperty("lr").GetDouble(),
            Schedule = LearningRateSchedule.Constant,
            PenaltyWeight = root.GetProperty("lam").GetDouble(),
            Shuffle = false,
            ReportEvery = 1,
            ActivationCheckpointing = checkpointing,
        }).Train(examples);

        // The reference runs in both formats differ by less than 2e-6 in CE and 3e-7 in the penalty.
        var expected = root.GetProperty(dtype).EnumerateArray().ToArray();
        Assert.Equal(steps, result.History.Count);
        for (var i = 0; i < steps; i++)
        {
            Assert.Equal(expected[i][0].GetDouble(), result.History[i].CrossEntropy, 2e-5);
            Assert.Equal(expected[i][1].GetDouble(), result.History[i].Penalty, 5e-6);
        }
        foreach (var layer in adapter.Layers)
        {
            AssertClose(tensors.Read($"final.{layer.Name}.lora_A"), layer.A);
            AssertClose(tensors.Read($"final.{layer.Name}.lora_B"), layer.B);
        }
    }

    private static string LayerName(string key) => key["init.".Length..key.LastIndexOf('.')];

    private static void SetInitial(LoraAdapter adapter, SafetensorsFile tensors)
    {
        using var _ = no_grad();
        foreach (var layer in adapter.Layers)
        {
            layer.A.copy_(tensors.Read($"init.{layer.Name}.lora_A"));
            if (tensors.Entries.ContainsKey($"init.{layer.Name}.lora_B")) layer.B.copy_(tensors.Read($"init.{layer.Name}.lora_B"));
        }
    }

    // The golden batches are the examples in order, again and again; the first epoch of them is the data set.
    private static List<TokenizedExample> Examples(JsonElement root)
    {
        var count = root.GetProperty("examples").GetArrayLength();
        var examples = new List<TokenizedExample>();
        foreach (var (batch, labels) in root.GetProperty("ids").EnumerateArray().Zip(root.GetProperty("labels").EnumerateArray()))
            foreach (var (row, mark) in batch.EnumerateArray().Zip(labels.EnumerateArray()))
            {
                if (examples.Count == count) return examples;
                var ids = row.EnumerateArray().Select(id => id.GetInt32()).ToArray();
                var supervised = mark.EnumerateArray().Select(label => label.GetInt32() != -100).ToArray();
                var length = Array.FindLastIndex(supervised, s => s) + 1;
                examples.Add(new TokenizedExample(ids[..length], supervised[..length]));
            }
        return examples;
    }

    private static void AssertClose(Tensor expected, Parameter actual)
    {
        var error = (expected - actual.to(ScalarType.Float64)).abs().max().item<double>();
        Assert.True(error < 1e-4, $"largest difference {error}");
    }
}
