using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>One epoch over examples of an instruction set's lengths, against the published way of going through it.</summary>
internal sealed class EpochBenchmark : Benchmark
{
    private const int BatchSize = 8, TargetVocabularyShare = 4;

    public override string Name => "epoch";

    public override string Description => "one epoch over Alpaca-like lengths against fixed padding, all logits and the dense penalty";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var settings = context.Settings;
        var width = settings.Width ?? (settings.IsLong ? 1024 : 256);
        // The head's share of the weights is that of a real model with 32,000 tokens at d = 4096 / 2048.
        var config = LlamaShapes.OfWidth(width, settings.Layers ?? (settings.IsLong ? 8 : 4), TargetVocabularyShare * width, AlpacaLikeLengths.Longest);
        var examples = TrainingWorkload.RandomExamples(AlpacaLikeLengths.Take(settings.IsLong ? 256 : 64), config.VocabularySize);
        using var model = CausalLanguageModel.Create(config, settings.Placement, seed: 1);
        using var run = new Epoch(model, examples, settings.Rank);
        double[] ours = [], published = [];
        var timed = context.Compare(2, () => ours = run.Ours(), () => published = run.Published());
        var worst = ours.Zip(published, (a, b) => Math.Abs(a - b)).Max();
        var mean = examples.Average(example => example.Ids.Length);
        yield return new BenchRow($"epoch of {examples.Length} examples, mean {mean:0} tokens ({config.LayerCount} layers, d = {width})",
            examples.Length / timed.Seconds(0), examples.Length / timed.Seconds(1), timed.Ratio(1, 0), "≥ 5× examples/s, same losses within 1e-4",
            timed.Ratio(1, 0) >= 5 && worst <= Tolerance(settings), null, "examples/s")
        {
            Spread = timed.Spread(1, 0),
            Note = $"{timed.Rounds} rounds; largest difference of the cross-entropy over {ours.Length} steps {worst:0.0e+0}; padding alone is {AlpacaLikeLengths.Longest / mean:0.0}× the tokens",
        };
    }

    // Half formats round each product; the same sums in another order differ by more than the goal there.
    private static double Tolerance(BenchSettings settings) => settings.Placement.DType is TorchSharp.torch.ScalarType.Float32 or TorchSharp.torch.ScalarType.Float64 ? 1e-4 : 2e-2;

    private sealed class Epoch : IDisposable
    {
        private readonly CausalLanguageModel _model;
        private readonly TokenizedExample[] _examples;
        private readonly int _rank;
        private readonly AlignmentDirection _direction;

        // A rate at which the losses move, so that equal curves say something.
        private readonly TrainingOptions _options = new() { Epochs = 1, BatchSize = BatchSize, LearningRate = 1e-3, ReportEvery = 1, MeasureAnchoredShare = false };

        public Epoch(CausalLanguageModel model, TokenizedExample[] examples, int rank)
        {
            (_model, _examples, _rank) = (model, examples, rank);
            using var adapter = Attach();
            _direction = TrainingWorkload.RandomDirection(adapter.Layers);
        }

        public double[] Ours()
        {
            using var adapter = Attach();
            using var penalty = new AlignmentPenalty(_direction, adapter.Layers);
            return [.. new FineTuner(_model, adapter, penalty, _options).Train(_examples).History.Select(report => report.CrossEntropy)];
        }

        public double[] Published()
        {
            using var adapter = Attach();
            return PublishedLoop.Train(_model, adapter, _direction, _examples, AlpacaLikeLengths.Longest, _options);
        }

        public void Dispose() => _direction.Dispose();

        private LoraAdapter Attach() => LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { Rank = _rank, Dropout = 0 }, seed: 2);
    }
}
