using AsFT.MLNet.Interop;
using AsFT.Torch.Runtime;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace AsFT.MLNet.FineTuning;

/// <summary>What options that are not set take from the MLContext.</summary>
internal static class HostDefaults
{
    /// <summary>The seed where neither the options nor the MLContext have one.</summary>
    public const long DefaultSeed = 42;

    /// <summary>The option, else the MLContext's seed, else <see cref="DefaultSeed"/>.</summary>
    public static long Seed(IHostEnvironment environment, long? option) => option ?? MlNetInternals.Seed(environment) ?? DefaultSeed;

    /// <summary>The device of the option, else of the MLContext, and the number format.</summary>
    /// <exception cref="ArgumentException">The device is not there.</exception>
    public static ComputePlacement Placement(IHostEnvironment environment, string? device, string dtype)
    {
        var (gpu, fallsBack) = MlNetInternals.Gpu(environment);
        return ComputePlacement.Resolve(Device(device, gpu, fallsBack, () => torch.cuda.is_available() ? torch.cuda.device_count() : 0), dtype);
    }

    /// <summary>Decides on a device.</summary>
    /// <param name="option">The option; null: the MLContext decides.</param>
    /// <param name="gpu">The MLContext's GpuDeviceId; null: <c>auto</c>.</param>
    /// <param name="fallsBack">The MLContext's FallbackToCpu.</param>
    /// <param name="cudaDevices">Counts the CUDA devices; asked only where it matters.</param>
    /// <exception cref="ArgumentException">The MLContext names a GPU that is not there, and does not fall back to the CPU.</exception>
    public static string Device(string? option, int? gpu, bool fallsBack, Func<int> cudaDevices)
    {
        if (option is not null) return option;
        if (gpu is not { } index) return "auto";
        var count = cudaDevices();
        if (index >= 0 && index < count) return $"cuda:{index}";
        if (fallsBack) return "cpu";
        throw new ArgumentException($"MLContext.GpuDeviceId is {index}, but there {(count == 1 ? "is 1 CUDA device" : $"are {count} CUDA devices")}{(count > 0 ? $" (0 to {count - 1})" : "")}. Set FallbackToCpu, another GpuDeviceId, or the option Device.", nameof(gpu));
    }
}
