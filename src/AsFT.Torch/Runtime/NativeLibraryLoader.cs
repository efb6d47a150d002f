using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;

namespace AsFT.Torch.Runtime;

/// <summary>
/// Loads libtorch by path before TorchSharp looks for it by name, from every place it may be in (<see cref="LibtorchPlaces"/>), and
/// refuses another version, whose missing functions would end the process later. On Linux distributions with GCC 12's libstdc++
/// (Debian 12, Ubuntu 22.04, RHEL 9) it also makes TorchSharp's own library loadable: that was linked with GCC 13 and asks for one
/// newer symbol version, for a reference that is never called; a copy that asks for it weakly is loaded instead.
/// </summary>
internal static unsafe class NativeLibraryLoader
{
    private const string Shim = "libLibTorchSharp.so";
    private const string MissingVersion = "GLIBCXX_3.4.32";

    // In the order in which they depend on each other. Loaded by path: what needs them names them alone, and finds them loaded.
    private static readonly string[] Libraries = ["c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch"];

    private static readonly Lock Gate = new();
    private static bool _isLoaded;

    private static string Cure =>
        $"In a program, reference the package {LibtorchPackage.Cpu} {LibtorchPackage.Version}; for the tool, run 'asft setup'; or set {AsftRuntime.LibtorchVariable} to a folder that holds {LibtorchPackage.FileName("torch_cpu")} of that version.";

    // A failure is told by AsftRuntime.Initialize, where somebody needs libtorch; much of this assembly does not.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The library must be loaded before the first use of TorchSharp, with no step by the user.")]
    internal static void Initialize() => TryLoad();

    /// <summary>Loads libtorch unless it is loaded.</summary>
    /// <returns>Null, or in one sentence why not and what to do.</returns>
    internal static string? TryLoad()
    {
        lock (Gate)
        {
            if (_isLoaded) return null;
            try
            {
                var failure = LoadLibtorch() ?? LoadShim();
                _isLoaded = failure is null;
                return failure;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or DllNotFoundException or BadImageFormatException)
            {
                return $"libtorch {LibtorchPackage.Version} could not be loaded: {FirstLine(e)}";
            }
        }
    }

    /// <summary>Writes a loadable copy of the shim into a cache folder, once per content.</summary>
    /// <returns>Path of the copy; null when the shim does not ask for the missing version.</returns>
    internal static string? PatchedCopy(string shim, string cacheFolder)
    {
        var image = File.ReadAllBytes(shim);
        var name = Convert.ToHexStringLower(SHA256.HashData(image))[..32];
        if (!ElfVersionPatcher.MakeOptional(image, MissingVersion)) return null;
        var copy = Path.Combine(cacheFolder, name, Shim);
        // What lies in a cache may have been cut short or changed; only the right bytes are used again.
        if (!File.Exists(copy) || !File.ReadAllBytes(copy).AsSpan().SequenceEqual(image))
            AtomicOutput.WriteFile(copy, partial => File.WriteAllBytes(partial, image));
        return copy;
    }

    private static string? LoadLibtorch()
    {
        if (Environment.GetEnvironmentVariable(AsftRuntime.LibtorchVariable) is { Length: > 0 } named)
        {
            var chosen = new LibtorchPlace($"{AsftRuntime.LibtorchVariable} ({named})", [named]);
            return chosen.Find("torch_cpu") is null
                ? $"{AsftRuntime.LibtorchVariable} is '{named}', which holds no {LibtorchPackage.FileName("torch_cpu")}; wanted is a folder with libtorch {LibtorchPackage.Version}."
                : Load(chosen);
        }
        if (LoadedPath() is { } loaded) return Refusal(NativeLibrary.Load(loaded), loaded);
        if (LibtorchPlaces.Find() is { } place) return Load(place);
        return NativeLibrary.TryLoad(LibtorchPackage.FileName("torch_cpu"), out var library)
            ? Refusal(library, LoadedPath() ?? "the system's library path")
            : $"libtorch {LibtorchPackage.Version} is not here. {Cure}";
    }

    private static string? Load(LibtorchPlace place)
    {
        if (place.Folders.Count > 1) LoadHelpers(place);
        foreach (var name in Libraries)
        {
            if (place.Find(name) is not { } path) continue;
            var library = NativeLibrary.Load(path);
            if (name == "torch_cpu" && Refusal(library, path) is { } refusal) return refusal;
        }
        return null;
    }

    // A library finds what it needs in its own folder. Where the rest of CUDA is spread over packages, it is loaded before,
    // in as many rounds as there are libraries that need others.
    private static void LoadHelpers(LibtorchPlace place)
    {
        var waiting = place.Folders.SelectMany(Directory.EnumerateFiles).Where(file => !Path.GetFileName(file).Contains("torch", StringComparison.Ordinal)).ToList();
        while (waiting.RemoveAll(file => NativeLibrary.TryLoad(file, out _)) > 0)
        {
        }
    }

    // Its own function tells the version: 2.10.0 as the bytes 2, 10, 0 and five more. Older ones do not have it.
    private static string? Refusal(nint library, string path)
    {
        var wanted = Version.Parse(LibtorchPackage.Version);
        Version? found = null;
        if (NativeLibrary.TryGetExport(library, "aoti_torch_abi_version", out var function))
        {
            var bytes = ((delegate* unmanaged<ulong>)function)();
            found = new Version((int)(bytes >> 56), (int)(bytes >> 48 & 0xff), (int)(bytes >> 40 & 0xff));
        }
        return found is not null && (found.Major, found.Minor) == (wanted.Major, wanted.Minor)
            ? null
            : $"'{path}' is libtorch {found?.ToString() ?? "of an older version"}, and TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)} needs {LibtorchPackage.Version}. {Cure}";
    }

    private static string? LoadShim()
    {
        // Elsewhere TorchSharp finds its own library, and libtorch loaded.
        if (!OperatingSystem.IsLinux()) return null;
        if (LibtorchPlaces.ShimFolders().Select(folder => Path.Combine(folder, Shim)).FirstOrDefault(File.Exists) is not { } shim) return null;
        if (NativeLibrary.TryLoad(shim, out _) || LoadPatchedCopy(shim)) return null;
        try
        {
            NativeLibrary.Load(shim);
            return null;
        }
        catch (DllNotFoundException e)
        {
            return $"TorchSharp's library '{shim}' could not be loaded: {FirstLine(e)}";
        }
    }

    private static bool LoadPatchedCopy(string shim)
    {
        try
        {
            if (PatchedCopy(shim, PrivateFolder(Path.Combine(UserFolders.Cache, "native"))) is not { } copy) return false;
            if (NativeLibrary.TryLoad(copy, out _)) return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No home to write to; or, behind the condition, one that nothing may be run from.
        }
        // A fresh folder each time: what lies in a shared one may be somebody else's. A loaded library needs no name.
        using var passing = PassingFolder.InTemp("native");
        return PatchedCopy(shim, passing.Path) is { } passingCopy && NativeLibrary.TryLoad(passingCopy, out _);
    }

    private static string PrivateFolder(string folder)
    {
        if (OperatingSystem.IsLinux()) Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return folder;
    }

    // The host may have loaded a libtorch of its own; a second one would be mixed with it.
    private static string? LoadedPath()
    {
        using var process = Process.GetCurrentProcess();
        return process.Modules.Cast<ProcessModule>().FirstOrDefault(module => module.ModuleName == LibtorchPackage.FileName("torch_cpu"))?.FileName;
    }

    // The runtime's message goes on with every path it tried.
    private static string FirstLine(Exception e) => e.Message.Split('\n', 2)[0].Trim();
}
