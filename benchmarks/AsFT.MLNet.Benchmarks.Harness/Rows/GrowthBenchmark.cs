using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Chat;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>How time grows with each size: the exponent over three doublings, by least squares on logarithms.</summary>
internal sealed class GrowthBenchmark : Benchmark
{
    // Doubling from small sizes, fixed costs make exponents too small, caches that overflow make them too large.
    private const double Slack = 0.15;

    public override string Name => "growth";

    public override string Description => "exponents over three doublings of each size";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var small = new TrainingShape(LlamaShapes.OfWidth(128, 2, 1024), 4, 64, 8);
        yield return Penalty(context, "penalty in d_out · d_in", [256, 512, 1024, 2048], width => (width, 8), size => size * size, 1);
        yield return Penalty(context, "penalty in r (d = 1024)", [4, 8, 16, 32], rank => (1024, rank), size => size, 1);
        yield return Step(context, "step in d", [128, 256, 512, 1024], width => small with { Config = LlamaShapes.OfWidth(width, 2, 1024) }, 2);
        yield return Step(context, "step in layers", [1, 2, 4, 8], layers => small with { Config = LlamaShapes.OfWidth(128, layers, 1024) }, 1);
        yield return Step(context, "step in tokens per sequence", [64, 128, 256, 512], length => small with { Sequence = length }, 2);
        yield return Step(context, "step in sequences per batch", [2, 4, 8, 16], batch => small with { Batch = batch }, 1);
        yield return Examples(context);
    }

    private static BenchRow Penalty(BenchContext context, string name, int[] sizes, Func<int, (int Width, int Rank)> shape, Func<double, double> argument, double most)
    {
        var layers = sizes.Select(size => new AdaptedLayer(shape(size).Width, shape(size).Rank, context.Settings.Placement.Device)).ToArray();
        try
        {
            return Row(context, name, sizes, argument, most, [.. layers.Select(layer => (Action)(() =>
            {
                using (TorchSharp.torch.no_grad()) layer.Penalty.AccumulateGradients(1);
            }))]);
        }
        finally
        {
            foreach (var layer in layers) layer.Dispose();
        }
    }

    private static BenchRow Step(BenchContext context, string name, int[] sizes, Func<int, TrainingShape> shape, double most)
    {
        var works = sizes.Select(size => new TrainingWorkload(shape(size), context.Settings.Placement)).ToArray();
        try
        {
            return Row(context, name, sizes, size => size, most, [.. works.Select(work => (Action)work.AsftStep)]);
        }
        finally
        {
            foreach (var work in works) work.Dispose();
        }
    }

    /// <summary>Planning an epoch and making its batches: the only work that sees all examples.</summary>
    private static BenchRow Examples(BenchContext context)
    {
        int[] sizes = [16_384, 32_768, 65_536, 131_072];
        var examples = TrainingWorkload.RandomExamples(AlpacaLikeLengths.Take(1024), 8192);
        return Row(context, "planning and batching an epoch in examples", sizes, size => size, 1, [.. sizes.Select(size => (Action)(() =>
        {
            var all = new Repeated(examples, size);
            var plan = new BatchPlan([.. all.Select(example => example.Ids.Length)], new TrainingOptions());
            foreach (var rows in plan.Epoch(0)) TrainingBatch.Create(all, rows);
        }))]);
    }

    private static BenchRow Row(BenchContext context, string name, int[] sizes, Func<double, double> argument, double most, Action[] contenders)
    {
        var timed = context.Compare(0.4, contenders);
        var exponent = Slope([.. sizes.Select(size => argument(size))], [.. sizes.Select((_, i) => timed.Seconds(i))]);
        return new BenchRow($"growth: {name}", 1e3 * timed.Seconds(sizes.Length - 1), 1e3 * timed.Seconds(0), exponent, $"exponent ≤ {most:0}", exponent <= most + Slack, null, "ms")
        {
            Note = $"{string.Join(", ", sizes.Select((size, i) => $"{size}: {1e3 * timed.Seconds(i):G3} ms"))}; met up to {most + Slack:0.00}",
        };
    }

    private static double Slope(double[] sizes, double[] seconds)
    {
        var (x, y) = (sizes.Select(size => Math.Log(size)).ToArray(), seconds.Select(time => Math.Log(time)).ToArray());
        var (meanX, meanY) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / x.Sum(a => (a - meanX) * (a - meanX));
    }

    /// <summary>A few examples that stand for many.</summary>
    private sealed class Repeated(TokenizedExample[] examples, int count) : IReadOnlyList<TokenizedExample>
    {
        public TokenizedExample this[int index] => examples[index % examples.Length];

        public int Count => count;

        public IEnumerator<TokenizedExample> GetEnumerator() => Enumerable.Range(0, count).Select(i => this[i]).GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
