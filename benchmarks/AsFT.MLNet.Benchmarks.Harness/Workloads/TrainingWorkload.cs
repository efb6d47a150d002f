using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>Everything a training step needs: a random model, an adapter, a random alignment direction, and a batch.</summary>
internal sealed class TrainingWorkload : IDisposable
{
    private const double LearningRate = 1e-4;

    private readonly AlignmentDirection _direction;
    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;
    private readonly TrainingStep _asft;
    private readonly TrainingStep _plain;
    private readonly TrainingBatch[] _batch;

    public TrainingWorkload(TrainingShape shape, ComputePlacement placement, double dropout = 0)
    {
        using var scope = NewDisposeScope();
        Shape = shape;
        Model = CausalLanguageModel.Create(shape.Config, placement, seed: 1);
        Adapter = LoraAdapter.Attach(Model.LinearLayers(), new LoraOptions { Rank = shape.Rank, Dropout = dropout }, seed: 2);
        _direction = RandomDirection(Adapter.Layers);
        Penalty = new AlignmentPenalty(_direction, Adapter.Layers);
        _parameters = new FlatParameters(Adapter.Parameters);
        var options = new TrainingOptions();
        _optimizer = new AdamW(_parameters, options);
        _asft = new TrainingStep(Model.Decoder, HeadLoss.Of(Model), Adapter, Penalty, _parameters, _optimizer, options);
        _plain = new TrainingStep(Model.Decoder, HeadLoss.Of(Model), Adapter, null, _parameters, _optimizer, options with { PenaltyWeight = 0 });
        Examples = RandomExamples(Enumerable.Repeat((shape.Sequence / 2, shape.Sequence - shape.Sequence / 2), shape.Batch), shape.Config.VocabularySize);
        _batch = [TrainingBatch.Create(Examples, [.. Enumerable.Range(0, shape.Batch)])];
        Adapter.Train(true);
    }

    public TrainingShape Shape { get; }

    public CausalLanguageModel Model { get; }

    public LoraAdapter Adapter { get; }

    public AlignmentPenalty Penalty { get; }

    /// <summary>Random token ids; the second half of each is supervised.</summary>
    public TokenizedExample[] Examples { get; }

    /// <summary>Tokens of the batch that are trained on.</summary>
    public int Supervised => _batch[0].Labels.Length;

    /// <summary>One step with λ = 1.</summary>
    public void AsftStep() => _asft.Run(_batch, LearningRate, measureAll: false);

    /// <summary>The same with λ = 0, which computes no penalty.</summary>
    public void PlainStep() => _plain.Run(_batch, LearningRate, measureAll: false);

    /// <summary>The penalty's part of a step.</summary>
    public void PenaltyPart() => Penalty.AccumulateGradients(1, _parameters.SideBySide);

    /// <summary>D of independent small numbers for every adapted layer.</summary>
    public static AlignmentDirection RandomDirection(IEnumerable<LoraLayer> layers)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        using Scalar size = 0.01;
        return AlignmentDirection.FromTensors(layers.ToDictionary(layer => layer.Name,
            layer => randn([layer.B.shape[0], layer.A.shape[1]], generator: generator).mul_(size)));
    }

    /// <summary>Examples of random tokens with prompts and answers of the given lengths.</summary>
    public static TokenizedExample[] RandomExamples(IEnumerable<(int Prompt, int Answer)> lengths, int vocabulary)
    {
        var random = new Random(4);
        return [.. lengths.Select(length => new TokenizedExample(
            [.. Enumerable.Range(0, length.Prompt + length.Answer).Select(_ => random.Next(vocabulary))],
            [.. Enumerable.Range(0, length.Prompt + length.Answer).Select(t => t >= length.Prompt)]))];
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _parameters.Dispose();
        Penalty.Dispose();
        _direction.Dispose();
        Adapter.Dispose();
        Model.Dispose();
    }
}
