using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using AsFT.Torch.Runtime;

namespace AsFT.Torch.Tests;

internal static class NativeLibraries
{
    // A test may touch TorchSharp before any code of the engine, whose own first use loads libtorch.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Must run before the first use of TorchSharp by any test.")]
    internal static void Load() => AsftRuntime.Initialize();
}
