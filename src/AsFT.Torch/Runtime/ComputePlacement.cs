using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Runtime;

/// <summary>Where a model computes and in which number format; chosen once per run.</summary>
/// <param name="Device">The device that holds weights and activations.</param>
/// <param name="DType">The format of frozen weights and activations: float32, bfloat16, float16 or float64.</param>
public sealed record ComputePlacement(Device Device, ScalarType DType)
{
    /// <summary>Chooses a placement.</summary>
    /// <param name="device"><c>auto</c> (CUDA when there is one, else CPU), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>.</param>
    /// <param name="dtype"><c>auto</c> (bfloat16 on CUDA from compute capability 8 on, float32 elsewhere), <c>float32</c>, <c>bfloat16</c>, <c>float16</c> or <c>float64</c>.</param>
    /// <exception cref="ArgumentException">The name is unknown, or the device is not there.</exception>
    /// <exception cref="DllNotFoundException">There is no libtorch that fits; see <see cref="AsftRuntime.Initialize"/>.</exception>
    public static ComputePlacement Resolve(string device = "auto", string dtype = "auto")
    {
        AsftRuntime.Initialize();
        var chosen = ResolveDevice(device);
        return new(chosen, dtype switch
        {
            "auto" => AutomaticFormat(chosen.type, chosen.type == DeviceType.CUDA ? CudaDriver.ComputeCapability(Math.Max(0, chosen.index)) : null),
            "float32" => ScalarType.Float32,
            "bfloat16" => ScalarType.BFloat16,
            "float16" => ScalarType.Float16,
            "float64" => ScalarType.Float64,
            _ => throw new ArgumentException($"DType is '{dtype}'; expected auto, float32, bfloat16, float16 or float64.", nameof(dtype)),
        });
    }

    /// <summary>What <c>auto</c> takes: bfloat16 where a device computes with it, else float32. Older CUDA devices only imitate bfloat16, slower than float32.</summary>
    /// <param name="device">Kind of device.</param>
    /// <param name="capability">Compute capability of a CUDA device; null where it is not known: another maker's.</param>
    internal static ScalarType AutomaticFormat(DeviceType device, Version? capability) =>
        device == DeviceType.CUDA && (capability is null || capability.Major >= 8) ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Refuses a format that a training would lose its gradients in, in silence.</summary>
    /// <exception cref="ArgumentException">It is float16.</exception>
    internal void RequireTrainable()
    {
        if (DType == ScalarType.Float16)
            throw new ArgumentException("DType is float16, which is for answering alone: gradients below 6e-8 become 0 in it, and the training scales no losses. Take bfloat16 or float32.", nameof(DType));
    }

    private static Device ResolveDevice(string device)
    {
        switch (device)
        {
            case "auto":
                return cuda.is_available() ? CUDA : CPU;
            case "cpu":
                return CPU;
            case "mps":
                return mps_is_available() ? MPS : throw new ArgumentException("Device is 'mps', but this machine has no Metal device.", nameof(device));
        }
        var index = device == "cuda" ? 0
            : device is not null && device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(device[5..], NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n
            : throw new ArgumentException($"Device is '{device}'; expected auto, cpu, cuda, cuda:N or mps.", nameof(device));
        if (!cuda.is_available())
            throw new ArgumentException($"Device is '{device}', but libtorch finds no CUDA device. Is a CUDA build of libtorch referenced (TorchSharp-cuda-windows or -linux)?", nameof(device));
        if (index >= cuda.device_count())
            throw new ArgumentException($"Device is '{device}', but there are {cuda.device_count()} CUDA devices (cuda:0 to cuda:{cuda.device_count() - 1}).", nameof(device));
        return new Device(DeviceType.CUDA, index);
    }
}
