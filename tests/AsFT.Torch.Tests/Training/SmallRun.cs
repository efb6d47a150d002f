using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

/// <summary>A training run of milliseconds on a random model, with every part of a real one.</summary>
internal static class SmallRun
{
    public static readonly ModelConfig Config = new()
    {
        VocabularySize = 48,
        HiddenSize = 16,
        IntermediateSize = 32,
        LayerCount = 2,
        HeadCount = 2,
        KeyValueHeadCount = 1,
        HeadSize = 8,
        MaxPositions = 64,
    };

    public static readonly TrainingOptions Options = new() { Epochs = 2, BatchSize = 4, LearningRate = 1e-2, ReportEvery = 1, PenaltyWeight = 0.5 };

    public static ComputePlacement Placement => new(CPU, ScalarType.Float32);

    public sealed record Outcome(TrainingResult Result, float[] Adapter, double MeasuredValidationLoss);

    public sealed class Callback(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }

    public static Outcome Train(TrainingOptions options, double dropout = 0.1, bool validate = false,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var model = CausalLanguageModel.Create(Config, Placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4, Dropout = dropout }, seed: 2);
        using var direction = AlignmentDirection.FromTensors(adapter.Layers.ToDictionary(layer => layer.Name, layer => randn(new[] { layer.Target.OutFeatures, layer.Target.InFeatures }, generator: new Generator(9))));
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);
        var validation = validate ? Examples(5, seed: 77) : null;
        var result = new FineTuner(model, adapter, penalty, options) { HeldOutRefusals = Refusals() }.Train(Examples(11, seed: 5), validation, progress, cancellationToken);
        float[] values = [.. adapter.Layers.SelectMany(layer => new[] { layer.A, layer.B }).SelectMany(p => p.detach().data<float>().ToArray())];
        return new Outcome(result, values, validation is null ? 0 : Evaluation.CrossEntropy(model, validation));
    }

    /// <summary>What the task makes less likely: its sequences backwards.</summary>
    public static List<TokenizedExample> Refusals() =>
        [.. Examples(6, seed: 31).Select(example => example with { Ids = [example.Ids[0], .. example.Ids.Skip(1).Reverse()] })];

    public static List<TokenizedExample> Examples(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var start = random.Next(3, 20);
            var ids = Enumerable.Range(0, random.Next(4, 12)).Select(t => t == 0 ? 1 : start + t).ToArray();
            return new TokenizedExample(ids, [.. ids.Select((_, t) => t >= 2)]);
        })];
    }
}
