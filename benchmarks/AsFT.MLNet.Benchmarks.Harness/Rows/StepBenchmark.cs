using AsFT.MLNet.Benchmarks.Harness.Workloads;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>The whole training step against the same without the penalty, and against the matrix products in it.</summary>
internal sealed class StepBenchmark : Benchmark
{
    public override string Name => "step";

    public override string Description => "the whole AsFT step against λ = 0, and against the speed of its matrix products alone";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var shape = TrainingShape.Step(context.Settings);
        using var work = new TrainingWorkload(shape, context.Settings.Placement);
        var gemms = new LayerProducts(shape, context.Settings);
        var timed = context.Compare(work.AsftStep, work.PlainStep, gemms.Run);
        var penalty = context.Compare(0.1, work.PenaltyPart).Seconds(0);
        yield return new BenchRow($"AsFT step against λ = 0 ({shape})", 1e3 * timed.Seconds(0), 1e3 * timed.Seconds(1), timed.Ratio(0, 1),
            "≤ 1.02×", timed.Ratio(0, 1) <= 1.02, null, "ms")
        {
            Spread = timed.Spread(0, 1),
            Note = $"{timed.Rounds} rounds; the penalty alone takes {1e3 * penalty:0.00} ms, so {1 + penalty / timed.Seconds(1):0.0000}× by its own time",
        };

        var flops = StepFlops.Count(shape, work.Model, work.Supervised);
        var (ours, ceiling) = (flops / timed.Seconds(0), gemms.Flops / timed.Seconds(2));
        var (low, high) = (timed.Spread(2, 0).Low, timed.Spread(2, 0).High);
        var share = timed.Ratio(2, 0) * flops / gemms.Flops;
        yield return new BenchRow($"AsFT step against its matrix products ({shape})", ours / 1e9, ceiling / 1e9, share, "≥ 0.75 of the ceiling", share >= 0.75, share, "GFLOP/s")
        {
            Spread = new(low * flops / gemms.Flops, high * flops / gemms.Flops),
            Note = $"{flops / 1e9:0} GFLOP a step: 4 per frozen weight and token, 6 per LoRA number, 6 causal products of attention, head on {work.Supervised} positions",
        };
    }

    /// <summary>The frozen products of one decoder layer, forward and backward, and nothing between them.</summary>
    private sealed class LayerProducts
    {
        private readonly (Tensor X, Tensor W, Tensor G)[] _products;

        public LayerProducts(TrainingShape shape, BenchSettings settings)
        {
            long tokens = shape.Batch * (long)shape.Sequence, d = shape.Config.HiddenSize, wide = shape.Config.IntermediateSize;
            Tensor Noise(long rows, long columns) => randn(rows, columns, ScalarType.Float32, settings.Placement.Device).to(settings.Placement.DType);
            (long In, long Out)[] sizes = [(d, d), (d, d), (d, d), (d, d), (d, wide), (d, wide), (wide, d)];
            _products = [.. sizes.Select(size => (Noise(tokens, size.In), Noise(size.Out, size.In), Noise(tokens, size.Out)))];
            Flops = sizes.Sum(size => 4.0 * tokens * size.In * size.Out);
        }

        public double Flops { get; }

        public void Run()
        {
            using var _ = no_grad();
            foreach (var (x, w, g) in _products)
            {
                using var scope = NewDisposeScope();
                nn.functional.linear(x, w);
                g.mm(w);
            }
        }
    }
}
