namespace AsFT.Torch.Runtime;

/// <summary>The native library below: libtorch.</summary>
public static class AsftRuntime
{
    /// <summary>Environment variable that names a folder with libtorch's shared libraries; it goes before every other place.</summary>
    public const string LibtorchVariable = "ASFT_LIBTORCH";

    /// <summary>
    /// Loads libtorch, once per process. Types of this library do it by themselves; a program that uses <c>TorchSharp.torch</c>
    /// before any of them calls this first. It is what makes libtorch loadable on distributions with GCC 12's libstdc++ (Debian 12,
    /// Ubuntu 22.04, RHEL 9), in notebooks, and from the folder that <c>asft setup</c> fills.
    /// </summary>
    /// <remarks>
    /// Looked at in turn: the folder that <see cref="LibtorchVariable"/> names; a libtorch that the process has loaded already; the
    /// folders beside TorchSharp.dll and the application; NuGet packages of exactly the version that TorchSharp asks for; the
    /// folder of <c>asft setup</c>; the system's library path.
    /// </remarks>
    /// <exception cref="DllNotFoundException">There is no libtorch, it is of another version, or it cannot be loaded; the message names the place, and what to do.</exception>
    public static void Initialize()
    {
        if (NativeLibraryLoader.TryLoad() is { } failure) throw new DllNotFoundException(failure);
    }
}
