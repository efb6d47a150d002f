using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Timing;

/// <summary>Times work on a device, from when it could start to when its last result is there.</summary>
internal abstract class DeviceClock : IDisposable
{
    /// <summary>How it takes the time.</summary>
    public abstract string Name { get; }

    /// <summary>Seconds that the work takes.</summary>
    public abstract double Seconds(Action work);

    /// <summary>The best clock for a device: events on the GPU's own stream where CUDA's runtime is loaded.</summary>
    public static DeviceClock For(Device device) =>
        device.type == DeviceType.CUDA ? (DeviceClock?)CudaEventClock.TryCreate() ?? new HostClock(() => cuda.synchronize()) : new HostClock(null);

    public virtual void Dispose()
    {
    }

    /// <summary>Host time; a device that works on its own is waited for before and after.</summary>
    private sealed class HostClock(Action? wait) : DeviceClock
    {
        public override string Name => wait is null ? "host clock" : "host clock around synchronize";

        public override double Seconds(Action work)
        {
            wait?.Invoke();
            var start = Stopwatch.GetTimestamp();
            work();
            wait?.Invoke();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
