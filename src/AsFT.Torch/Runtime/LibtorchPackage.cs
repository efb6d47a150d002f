using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace AsFT.Torch.Runtime;

/// <summary>The libtorch that the loaded TorchSharp was built against, and the NuGet packages that hold it.</summary>
internal static class LibtorchPackage
{
    /// <summary>Not <see cref="RuntimeInformation.RuntimeIdentifier"/>, which names the distribution where the runtime was built by one.</summary>
    public static string Rid { get; } =
        $"{(OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    /// <summary>As packages are numbered: 2.10.0.</summary>
    public static string Version { get; } = Normalize(Constant("libtorchPackageVersion"));

    /// <summary>The package for CPUs.</summary>
    public static string Cpu => $"libtorch-cpu-{Rid}";

    /// <summary>The package for CUDA. It is too large for one: the rest is in packages of this name with an ending.</summary>
    public static string Cuda { get; } = $"libtorch-cuda-{Constant("cudaVersion")}-{Rid}";

    /// <summary>Where a package keeps its libraries, below its folder.</summary>
    public static string NativeFolder { get; } = Path.Combine("runtimes", Rid, "native");

    /// <summary>The folder of TorchSharp.dll.</summary>
    public static string TorchSharpFolder => Path.GetDirectoryName(typeof(torch).Assembly.Location) is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;

    /// <summary>File name of a library of libtorch, as in <c>torch_cpu</c>.</summary>
    public static string FileName(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll" : OperatingSystem.IsMacOS() ? $"lib{library}.dylib" : $"lib{library}.so";

    // Read without running TorchSharp, whose first use loads libtorch.
    private static string Constant(string name) =>
        typeof(torch).GetField(name, BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Static)?.GetRawConstantValue() as string
        ?? throw new NotSupportedException($"TorchSharp {typeof(torch).Assembly.GetName().Version} does not tell its {name}; this version of TorchSharp is not known here.");

    private static string Normalize(string version) =>
        System.Version.Parse(version) is { Revision: 0 } whole ? whole.ToString(3) : version;
}
