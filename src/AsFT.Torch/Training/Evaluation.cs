using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>Losses of a model on examples, without training.</summary>
public static class Evaluation
{
    /// <summary>Mean cross-entropy over all supervised tokens; its exponential is the perplexity.</summary>
    /// <param name="model">The model, with whatever adapter is attached; dropout must be off.</param>
    /// <param name="examples">Tokenised examples, with at least one supervised token in all.</param>
    /// <param name="batchSize">Examples per forward pass, at least 1.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <returns>In nats per token.</returns>
    /// <exception cref="ArgumentException">No example has a supervised token.</exception>
    /// <exception cref="NonFiniteScoresException">The model's scores are infinite or not numbers; names the layer in which they begin.</exception>
    public static double CrossEntropy(CausalLanguageModel model, IReadOnlyList<TokenizedExample> examples, int batchSize = 16, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var device = model.Placement.Device;
        var sum = zeros(1, device.type == TorchSharp.DeviceType.MPS ? ScalarType.Float32 : ScalarType.Float64, device);
        long count = 0;
        var supervised = Enumerable.Range(0, examples.Count).Where(i => TrainingBatch.SupervisedCount(examples[i]) > 0);
        foreach (var rows in supervised.OrderByDescending(i => examples[i].Ids.Length).Chunk(batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var activations = NewDisposeScope();
            var batch = TrainingBatch.Create(examples, rows);
            sum.add_(TrainingStep.CrossEntropy(model, batch), Scalars.One);
            count += batch.Labels.Length;
        }
        if (count == 0) throw new ArgumentException("No example has a supervised token.", nameof(examples));
        var total = TrainingMeter.Read(sum);
        return double.IsFinite(total) ? total / count : throw Explain(model, examples, "example");
    }

    /// <summary>What to throw when a loss over examples is not finite: names the first of them whose scores are not, and the layer in which that begins.</summary>
    /// <param name="model">The model.</param>
    /// <param name="examples">Tokenised examples, at least one.</param>
    /// <param name="name">What an example is called in the message, where its number from 0 follows.</param>
    internal static NonFiniteScoresException Explain(CausalLanguageModel model, IReadOnlyList<TokenizedExample> examples, string name)
    {
        using var _ = no_grad();
        for (var i = 0; i < examples.Count; i++)
        {
            using var scope = NewDisposeScope();
            if (TrainingBatch.SupervisedCount(examples[i]) > 0 && !double.IsFinite(TrainingMeter.Read(TrainingStep.CrossEntropy(model, TrainingBatch.Create(examples, [i])))))
                return NonFiniteScores.Explain(model, examples[i].Ids, $"{name} {i}");
        }
        return NonFiniteScores.Explain(model, examples[0].Ids, $"{examples.Count} {name}s together");
    }
}
