using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

public sealed class FullParameterTrainerTests
{
    private static readonly TrainingOptions Options = new() { Epochs = 60, BatchSize = 4, LearningRate = 2e-2, Schedule = LearningRateSchedule.Cosine, WarmupRatio = 0.1, MaxGradientNorm = 1 };

    [Fact]
    public void It_learns_a_small_text_by_heart_and_freezes_the_weights_again()
    {
        using var model = Model();
        var result = new FullParameterTrainer(model, Options).Train(Examples());
        Assert.Equal(120, result.Steps);
        Assert.True(result.CrossEntropy < 0.5, $"cross-entropy {result.CrossEntropy}");
        Assert.All(model.parameters(), p => Assert.False(p.requires_grad));
        Assert.All(model.parameters(), p => Assert.Null(p.grad));
    }

    [Fact]
    public void All_weights_move_the_tied_embedding_and_the_norms_included()
    {
        using var model = Model();
        var before = model.Weights().ToDictionary(w => w.Key, w => w.Value.detach().clone());
        new FullParameterTrainer(model, Options with { MaxSteps = 1, WarmupRatio = 0 }).Train(Examples());
        Assert.All(model.Weights(), w => Assert.False(w.Value.detach().equal(before[w.Key]).all().item<bool>(), w.Key));
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits()
    {
        using var first = Model();
        using var second = Model();
        new FullParameterTrainer(first, Options with { MaxSteps = 10 }).Train(Examples());
        new FullParameterTrainer(second, Options with { MaxSteps = 10 }).Train(Examples());
        Assert.All(first.Weights().Zip(second.Weights()), pair => Assert.True(pair.First.Value.equal(pair.Second.Value).all().item<bool>(), pair.First.Key));
    }

    [Fact]
    public void Micro_batches_give_the_step_of_the_whole_batch()
    {
        using var whole = Model();
        using var parts = Model();
        new FullParameterTrainer(whole, Options with { MaxSteps = 3 }).Train(Examples());
        new FullParameterTrainer(parts, Options with { MaxSteps = 3, MicroBatchSize = 1 }).Train(Examples());
        Assert.All(whole.Weights().Zip(parts.Weights()), pair => Assert.True(pair.First.Value.allclose(pair.Second.Value, 1e-3, 1e-4), pair.First.Key));
    }

    [Fact]
    public void What_cannot_be_trained_is_refused()
    {
        using var model = Model();
        var trainer = new FullParameterTrainer(model, Options);
        Assert.Throws<ArgumentException>(() => trainer.Train([]));
        Assert.Contains("Example 1", Assert.Throws<ArgumentException>(() => trainer.Train([Examples()[0], new([1, 2], [true, false])])).Message, StringComparison.Ordinal);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => trainer.Train(Examples(), cancellationToken: cancelled.Token));
        Assert.All(model.parameters(), p => Assert.False(p.requires_grad));
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2 }, 1);
        Assert.Contains("q_proj", Assert.Throws<InvalidOperationException>(() => trainer.Train(Examples())).Message, StringComparison.Ordinal);
        using var half = Model(ScalarType.BFloat16);
        Assert.Throws<ArgumentException>(() => new FullParameterTrainer(half, Options));
    }

    private static CausalLanguageModel Model(ScalarType dtype = ScalarType.Float32) => CausalLanguageModel.Create(
        new ModelConfig
        {
            VocabularySize = 16,
            HiddenSize = 16,
            IntermediateSize = 32,
            LayerCount = 2,
            HeadCount = 2,
            KeyValueHeadCount = 1,
            HeadSize = 8,
            MaxPositions = 32,
            TieWordEmbeddings = true,
        }, new ComputePlacement(CPU, dtype), 5);

    // Each first token decides all that follow.
    private static TokenizedExample[] Examples() =>
        [.. Enumerable.Range(1, 8).Select(i => new TokenizedExample([i, .. Enumerable.Range(1, 4 + i % 3).Select(t => (i * 3 + t * t) % 16)], [.. Enumerable.Range(0, 5 + i % 3).Select(t => t > 0)]))];
}
