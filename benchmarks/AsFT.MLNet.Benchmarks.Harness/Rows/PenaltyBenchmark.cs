using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Alignment;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>Penalty and both gradients of one d × d layer.</summary>
internal sealed class PenaltyBenchmark : Benchmark
{
    private static readonly (int Width, double Goal)[] Widths = [(1024, 100), (2048, 150), (4096, 250)];

    public override string Name => "penalty";

    public override string Description => "penalty and gradients of one layer against the published dense formula";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        foreach (var (width, goal) in context.Settings.Width is { } asked ? [(asked, Widths.LastOrDefault(w => w.Width <= asked, Widths[0]).Goal)] : Widths)
        {
            using var layer = new SingleLayer(width, context.Settings.Rank, context.Settings.Placement.Device);
            var shape = $"d = {width}, r = {context.Settings.Rank}";
            var dense = context.Compare(layer.Ours, layer.Dense);
            var read = context.Compare(0.2, layer.Ours, layer.Read);
            yield return new BenchRow($"penalty, {shape}, against dense", 1e3 * dense.Seconds(0), 1e3 * dense.Seconds(1), dense.Ratio(1, 0),
                $"≥ {goal:0}× faster", dense.Ratio(1, 0) >= goal, read.Seconds(1) / read.Seconds(0), "ms")
            {
                Spread = dense.Spread(1, 0),
                Note = $"{dense.Rounds} rounds; {layer.VectorCount} singular vectors; the limit is reading them twice",
            };
            yield return new BenchRow($"penalty, {shape}, against reading U twice", 1e3 * read.Seconds(0), 1e3 * read.Seconds(1), read.Ratio(0, 1),
                "≤ 2× the time", read.Ratio(0, 1) <= 2, read.Seconds(1) / read.Seconds(0), "ms")
            {
                Spread = read.Spread(0, 1),
                Note = $"U is {width} × {layer.VectorCount} × {layer.ElementSize} bytes, summed up by libtorch at {2.0 * width * layer.VectorCount * layer.ElementSize / read.Seconds(1) / 1e9:0.0} GB/s",
            };
            if (Allocation(layer, width) is { } allocation) yield return allocation;
        }
    }

    // libtorch tells no peak on the CPU, so the kernel's own count is read; on a GPU the row is left out.
    private static BenchRow? Allocation(SingleLayer layer, int width)
    {
        var matrix = (double)width * width * layer.ElementSize;
        // Below some megabytes the runtime's own coming and going hides it.
        if (!layer.IsOnHost || matrix < 32e6) return null;
        layer.Ours();
        var before = ProcessMemory.Resident;
        if (!ProcessMemory.TryResetPeak()) return null;
        for (var i = 0; i < 3; i++) layer.Ours();
        var ours = Math.Max(0, ProcessMemory.Peak - before);
        before = ProcessMemory.Resident;
        ProcessMemory.TryResetPeak();
        layer.Dense();
        var dense = Math.Max(0, ProcessMemory.Peak - before);
        return new BenchRow($"penalty, d = {width}: memory that comes and goes", ours / 1e6, dense / 1e6, ours / matrix, "no d × d matrix (< 0.5 of one)", ours < 0.5 * matrix, null, "MB")
        {
            Note = $"peak above what was resident before; one matrix is {matrix / 1e6:0} MB",
        };
    }

    /// <summary>One adapted layer whose penalty is computed both ways.</summary>
    private sealed class SingleLayer : IDisposable
    {
        private readonly AdaptedLayer _layer;
        private readonly Tensor _projection, _vectors;

        public SingleLayer(int width, int rank, Device device)
        {
            _layer = new AdaptedLayer(width, rank, device);
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            _projection = PublishedPenalty.Projection(_layer.Direction.to(device)).DetachFromDisposeScope();
            VectorCount = AlignmentPenalty.KeptBytes(width, width, new(), ScalarType.Float32) / sizeof(float) / width;
            _vectors = rand(width, VectorCount, device: device).DetachFromDisposeScope();
        }

        public long VectorCount { get; }

        public bool IsOnHost => _projection.device_type == TorchSharp.DeviceType.CPU;

        public long ElementSize => _projection.element_size();

        // Both add to gradients that are there, as in a training loop from its second step on.
        public void Ours()
        {
            using (no_grad()) _layer.Penalty.AccumulateGradients(1);
        }

        public void Dense() => PublishedPenalty.Of(_layer.A, _layer.B, _projection).backward();

        // As many numbers as U has, which is not ours to touch.
        public void Read()
        {
            _vectors.sum();
            _vectors.sum();
        }

        public void Dispose()
        {
            _projection.Dispose();
            _vectors.Dispose();
            _layer.Dispose();
        }
    }
}
