using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Runtime;
using BenchmarkDotNet.Attributes;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks;

/// <summary>Penalty and both gradients of one d × d layer, r = 8: the published dense formula against ours, side by side.</summary>
[MemoryDiagnoser]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet calls Cleanup.")]
public class PenaltyBenchmarks
{
    private AdaptedLayer _layer = null!;
    private Tensor _projection = null!;

    /// <summary>d_out = d_in.</summary>
    [Params(1024, 2048, 4096)]
    public int Width { get; set; }

    /// <summary>auto, cpu or cuda; from ASFT_BENCH_DEVICE, so that one build measures every machine.</summary>
    public static string DeviceName => Environment.GetEnvironmentVariable("ASFT_BENCH_DEVICE") ?? "auto";

    [GlobalSetup]
    public void Setup()
    {
        var device = ComputePlacement.Resolve(DeviceName, "float32").Device;
        _layer = new AdaptedLayer(Width, rank: 8, device);
        using var scope = NewDisposeScope();
        _projection = PublishedPenalty.Projection(_layer.Direction.to(device)).DetachFromDisposeScope();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _projection.Dispose();
        _layer.Dispose();
    }

    /// <summary>‖(I − C)·(B·A)‖²_F with d × d products and autograd, as published; C is made before.</summary>
    [Benchmark(Baseline = true)]
    public void Dense()
    {
        using var scope = NewDisposeScope();
        PublishedPenalty.Of(_layer.A, _layer.B, _projection).backward();
        Finish();
    }

    /// <summary>The same from the singular vectors that are kept (all of them at 1024, 256 above), gradients by hand.</summary>
    [Benchmark]
    public void Ours()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        _layer.Penalty.AccumulateGradients(1);
        Finish();
    }

    private void Finish()
    {
        if (_layer.A.device_type == TorchSharp.DeviceType.CUDA) cuda.synchronize();
    }
}
