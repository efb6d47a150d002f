using AsFT.MLNet.Benchmarks.Harness.Timing;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Machines;

/// <summary>One matrix product (m × k)·(k × n) and how fast it runs.</summary>
/// <param name="Rows">m.</param>
/// <param name="Inner">k.</param>
/// <param name="Columns">n.</param>
/// <param name="FlopsPerSecond">2·m·k·n over its time.</param>
public sealed record GemmCeiling(long Rows, long Inner, long Columns, double FlopsPerSecond);

/// <summary>What the machine does at most, by libtorch's own plain operations.</summary>
/// <param name="Gemms">Matrix products at the step's shapes, in the models' number format.</param>
/// <param name="CopyBytesPerSecond">Bytes read and bytes written by a copy larger than any cache.</param>
/// <param name="ReadBytesPerSecond">Bytes read by a sum over the same.</param>
public sealed record Ceilings(IReadOnlyList<GemmCeiling> Gemms, double CopyBytesPerSecond, double ReadBytesPerSecond)
{
    internal static Ceilings Measure(BenchSettings settings, DeviceClock clock, CancellationToken cancellationToken)
    {
        using var _ = no_grad();
        var shape = TrainingShape.Step(settings);
        long tokens = shape.Batch * (long)shape.Sequence, width = shape.Config.HiddenSize, wide = shape.Config.IntermediateSize;
        var gemms = new List<GemmCeiling>();
        foreach (var (k, n) in new[] { (width, width), (width, wide), (wide, width) })
        {
            using var scope = NewDisposeScope();
            var (x, w) = (Noise(settings, tokens, k), Noise(settings, n, k));
            var timed = SideBySide.Run(clock, 0.3, cancellationToken, () => nn.functional.linear(x, w));
            gemms.Add(new(tokens, k, n, 2.0 * tokens * k * n / timed.Seconds(0)));
        }
        using var buffers = NewDisposeScope();
        var (from, to) = (zeros(CopyBytes / 4, ScalarType.Float32, settings.Placement.Device), zeros(CopyBytes / 4, ScalarType.Float32, settings.Placement.Device));
        var moved = SideBySide.Run(clock, 0.5, cancellationToken, () => to.copy_(from), () => from.sum());
        return new(gemms, 2.0 * CopyBytes / moved.Seconds(0), CopyBytes / moved.Seconds(1));
    }

    /// <summary>Larger than the caches of any machine this runs on.</summary>
    internal const long CopyBytes = 256L << 20;

    private static Tensor Noise(BenchSettings settings, long rows, long columns) => randn(rows, columns, ScalarType.Float32, settings.Placement.Device).to(settings.Placement.DType);
}
