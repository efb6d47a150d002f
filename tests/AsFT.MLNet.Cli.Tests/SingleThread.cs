using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using AsFT.Torch.Runtime;
using TorchSharp;

namespace AsFT.MLNet.Cli.Tests;

internal static class SingleThread
{
    // Tests run side by side on tiny models; libtorch's threads would only wait for each other.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Before any test.")]
    internal static void Initialize()
    {
        AsftRuntime.Initialize();
        torch.set_num_threads(1);
    }
}
