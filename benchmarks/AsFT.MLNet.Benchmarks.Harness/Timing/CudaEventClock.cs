using System.Diagnostics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Timing;

/// <summary>
/// Time between two events on the default stream, on which TorchSharp launches everything. TorchSharp has no events, so
/// they come from the CUDA runtime that libtorch has loaded.
/// </summary>
internal sealed unsafe class CudaEventClock : DeviceClock
{
    private readonly delegate* unmanaged<nint, nint, int> _record;
    private readonly delegate* unmanaged<nint, int> _synchronize;
    private readonly delegate* unmanaged<float*, nint, nint, int> _elapsed;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly nint _start;
    private readonly nint _stop;

    private CudaEventClock(nint library)
    {
        var create = (delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(library, "cudaEventCreate");
        _record = (delegate* unmanaged<nint, nint, int>)NativeLibrary.GetExport(library, "cudaEventRecord");
        _synchronize = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "cudaEventSynchronize");
        _elapsed = (delegate* unmanaged<float*, nint, nint, int>)NativeLibrary.GetExport(library, "cudaEventElapsedTime");
        _destroy = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "cudaEventDestroy");
        nint start, stop;
        Check(create(&start));
        Check(create(&stop));
        (_start, _stop) = (start, stop);
    }

    public override string Name => "CUDA events";

    public static CudaEventClock? TryCreate()
    {
        // libtorch ships the runtime under names with a version or a hash in them; whichever it loaded is the right one.
        cuda.synchronize();
        using var process = Process.GetCurrentProcess();
        var runtime = process.Modules.Cast<ProcessModule>().FirstOrDefault(module =>
            module.ModuleName.StartsWith("libcudart", StringComparison.Ordinal) || module.ModuleName.StartsWith("cudart64", StringComparison.OrdinalIgnoreCase));
        return runtime is not null && NativeLibrary.TryLoad(runtime.FileName, out var library) ? new CudaEventClock(library) : null;
    }

    public override double Seconds(Action work)
    {
        cuda.synchronize();
        Check(_record(_start, 0));
        work();
        Check(_record(_stop, 0));
        Check(_synchronize(_stop));
        float milliseconds;
        Check(_elapsed(&milliseconds, _start, _stop));
        return milliseconds / 1e3;
    }

    public override void Dispose()
    {
        _destroy(_start);
        _destroy(_stop);
        base.Dispose();
    }

    private static void Check(int status)
    {
        if (status != 0) throw new InvalidOperationException($"The CUDA runtime refused to time an event (error {status}).");
    }
}
