using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
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
        return TrainingMeter.Read(sum) / count;
    }
}
