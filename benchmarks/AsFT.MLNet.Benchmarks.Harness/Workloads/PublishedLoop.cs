using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>
/// Our training loop told to behave as the published one: every example padded to one length, logits for every position,
/// the penalty with d × d products and autograd. Batches and their order are ours, so that both losses can be compared
/// step by step; the update is ours as well.
/// </summary>
internal static class PublishedLoop
{
    private const int IgnoredLabel = -100;

    /// <summary>Trains one epoch and returns the cross-entropy of each step.</summary>
    public static double[] Train(CausalLanguageModel model, LoraAdapter adapter, AlignmentDirection direction, TokenizedExample[] examples, int length, TrainingOptions options)
    {
        using var scope = NewDisposeScope();
        var device = model.Placement.Device;
        using var parameters = new FlatParameters(adapter.Parameters);
        using var optimizer = new AdamW(parameters, options);
        var plan = new BatchPlan([.. examples.Select(example => example.Ids.Length)], options);
        var projections = adapter.Layers.Select(layer => PublishedPenalty.Projection(direction.Find(layer.Name)!.to(layer.A.dtype, device))).ToArray();
        using Scalar weight = options.PenaltyWeight;
        var losses = new List<double>();
        foreach (var rows in plan.Epoch(0))
        {
            using var step = NewDisposeScope();
            parameters.Gradients.zero_();
            var loss = CrossEntropy(model, examples, rows, length);
            var penalty = adapter.Layers.Select((layer, i) => PublishedPenalty.Of(layer.A, layer.B, projections[i])).Aggregate((sum, layer) => sum.add(layer, Scalars.One));
            loss.add(penalty.to(loss.dtype), alpha: weight).backward();
            optimizer.Step(LearningRate.At(options, losses.Count, plan.TotalSteps, plan.StepsPerEpoch));
            losses.Add(loss.detach().to(ScalarType.Float32).cpu().item<float>());
        }
        return [.. losses];
    }

    private static Tensor CrossEntropy(CausalLanguageModel model, TokenizedExample[] examples, int[] rows, int length)
    {
        var (ids, labels) = (new long[rows.Length * length], new long[rows.Length * length]);
        Array.Fill(labels, IgnoredLabel);
        for (var n = 0; n < rows.Length; n++)
            for (var (t, example) = (0, examples[rows[n]]); t < example.Ids.Length; t++)
            {
                ids[n * length + t] = example.Ids[t];
                if (t > 0 && example.Supervised[t]) labels[n * length + t - 1] = example.Ids[t];
            }
        var device = model.Placement.Device;
        var hidden = model.Hidden(tensor(ids, [rows.Length, length], device: device), SequenceLayout.RightPadded);
        var logits = model.Logits(hidden).view(-1, model.Config.VocabularySize).to(ScalarType.Float32);
        return nn.functional.cross_entropy(logits, tensor(labels, device: device), ignore_index: IgnoredLabel);
    }
}
