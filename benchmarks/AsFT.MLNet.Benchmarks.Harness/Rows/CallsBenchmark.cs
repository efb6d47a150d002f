using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>The step of a model so small that only calling libtorch costs: how many calls, what each takes in time and managed memory.</summary>
internal sealed class CallsBenchmark : Benchmark
{
    private const int Steps = 20, Calls = 20_000;

    public override string Name => "calls";

    public override string Description => "calls, managed memory and time per call of the stories260K step";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var shape = new TrainingShape(LlamaShapes.Stories260K, context.Settings.Batch ?? 8, context.Settings.Sequence ?? 64, context.Settings.Rank);
        using var work = new TrainingWorkload(shape, context.Settings.Placement);
        var one = zeros(1, ScalarType.Float32, context.Settings.Placement.Device);
        var timed = context.Compare(0.5, work.AsftStep, () => AddOnce(one));
        var (stepCalls, stepBytes) = Count(work.AsftStep, Steps);
        var (_, callBytes) = Count(() => AddOnce(one), Calls);
        var seconds = timed.Seconds(0) / stepCalls;
        yield return new BenchRow("stories260K step: managed memory", stepBytes, callBytes, stepBytes / 1024, "≤ 1 KB per step", stepBytes <= 1024, null, "bytes")
        {
            Note = $"{stepCalls:0} tensors made per step (calls in place make none); the cheapest call allocates {callBytes:0} bytes (the Tensor object and the scope's list), so no step of more than {1024 / Math.Max(callBytes, 1):0} calls can reach the goal with TorchSharp; {stepBytes / stepCalls:0} bytes per call",
        };
        yield return new BenchRow("stories260K step: time per call", 1e6 * seconds, 1e6 * timed.Seconds(1), seconds / timed.Seconds(1), "stated", null, timed.Seconds(1) / seconds, "µs")
        {
            Spread = timed.Spread(0, 1) is var spread ? new(spread.Low / stepCalls, spread.High / stepCalls) : null,
            Note = $"{1e3 * timed.Seconds(0):0.0} ms per step of {shape.Batch} × {shape.Sequence} tokens, the backward pass's own calls inside; against the addition of two numbers",
        };
    }

    private static void AddOnce(Tensor one)
    {
        using var sum = one.add(one, Scalars.One);
    }

    /// <summary>Tensors made, and bytes allocated on this thread, per call.</summary>
    private static (double Tensors, double Bytes) Count(Action work, int times)
    {
        work();
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        var tensors = statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount;
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < times; i++)
        {
            using var scope = NewDisposeScope();
            work();
        }
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        return ((double)(statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount - tensors) / times, (double)bytes / times);
    }
}
