using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Training;

public sealed class ActivationCheckpointingTests
{
    private static readonly ModelConfig ThreeLayers = TinyLlama.Config with { LayerCount = 3 };

    public static TheoryData<string[], bool> Targets() => new()
    {
        { ["q_proj", "v_proj"], false },
        { ["all-linear"], true },
        // The first layers need no gradient, or the middle one alone has something to learn, or the head.
        { ["model.layers.2.self_attn.k_proj", "model.layers.2.mlp.down_proj"], false },
        { ["model.layers.1.mlp.gate_proj"], true },
        { ["lm_head", "model.layers.1.self_attn.o_proj"], false },
        { ["lm_head"], false },
    };

    [Theory]
    [MemberData(nameof(Targets))]
    public void EveryStepGivesTheSameBits(string[] targets, bool tied)
    {
        var config = ThreeLayers with { TieWordEmbeddings = tied };
        var kept = Train(config, targets, checkpointing: false);
        var recomputed = Train(config, targets, checkpointing: true);
        Assert.Equal(kept.Losses, recomputed.Losses);
        Assert.Equal(kept.Adapter, recomputed.Adapter);
        Assert.NotEqual(kept.Losses[0], kept.Losses[^1]);
    }

    [Fact]
    public void ATrainedModelGivesTheSameBits()
    {
        // Real weights of a trained model, several key-value heads per group, tied embeddings.
        var folder = TestData.Model("models/stories260K-aligned");
        var (kept, recomputed) = (Train(null, ["q_proj", "v_proj"], false, folder), Train(null, ["q_proj", "v_proj"], true, folder));
        Assert.Equal(kept.Losses, recomputed.Losses);
        Assert.Equal(kept.Adapter, recomputed.Adapter);
    }

    [Theory]
    [InlineData(false, 0)]
    // Gradients of one matrix from its two places are added up one by one instead of together.
    [InlineData(true, 1e-5)]
    public void AllWeightsTrainedGiveTheSameStep(bool tied, double tolerance)
    {
        float[][] runs = [.. new[] { false, true }.Select(checkpointing =>
        {
            using var model = TinyLlama.Create(ThreeLayers with { TieWordEmbeddings = tied });
            new FullParameterTrainer(model, Options(checkpointing)).Train(Examples(9, model.Config.VocabularySize));
            return model.Weights().SelectMany(w => w.Value.detach().data<float>().ToArray()).ToArray();
        })];
        Assert.All(runs[0].Zip(runs[1]), pair => Assert.InRange(pair.Second - pair.First, -tolerance, tolerance));
    }

    [Fact]
    public void ARunMayGoOnWithIt()
    {
        // What was begun without and ran out of memory is not lost.
        var folder = Directory.CreateTempSubdirectory("asft-recompute-").FullName;
        try
        {
            var whole = SmallRun.Train(SmallRun.Options);
            using var cancel = new CancellationTokenSource();
            var first = SmallRun.Options with { CheckpointFolder = folder, CheckpointEvery = 1 };
            Assert.Throws<OperationCanceledException>(() => SmallRun.Train(first, cancellationToken: cancel.Token,
                progress: new SmallRun.Callback(report => { if (report.Step == 2) cancel.Cancel(); })));
            var resumed = SmallRun.Train(first with { Resume = true, ActivationCheckpointing = true });
            Assert.Equal(whole.Adapter, resumed.Adapter);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (float[] Adapter, double[] Losses) Train(ModelConfig? config, string[] targets, bool checkpointing, string? folder = null)
    {
        using var model = folder is null ? TinyLlama.Create(config) : CausalLanguageModel.Load(folder, TinyLlama.Placement());
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4, Dropout = 0.2, TargetModules = targets }, seed: 3);
        var result = new FineTuner(model, adapter, penalty: null, Options(checkpointing)).Train(Examples(9, model.Config.VocabularySize));
        float[] values = [.. adapter.Layers.SelectMany(layer => new[] { layer.A, layer.B }).SelectMany(p => p.detach().data<float>().ToArray())];
        return (values, [.. result.History.Select(h => h.CrossEntropy)]);
    }

    private static TrainingOptions Options(bool checkpointing) => new()
    {
        Epochs = 2,
        BatchSize = 5,
        MicroBatchSize = 3,
        LearningRate = 1e-2,
        ReportEvery = 1,
        MaxGradientNorm = 1,
        ActivationCheckpointing = checkpointing,
    };

    private static List<TokenizedExample> Examples(int count, int vocabulary)
    {
        var random = new Random(4);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(5, 30)).Select(_ => random.Next(vocabulary))];
            return new TokenizedExample(ids, [.. ids.Select((_, t) => t > 2)]);
        })];
    }
}
