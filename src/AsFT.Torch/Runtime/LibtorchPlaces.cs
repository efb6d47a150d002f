using System.Runtime.InteropServices;

namespace AsFT.Torch.Runtime;

/// <summary>Folders that together hold one libtorch.</summary>
/// <param name="Name">What to call them in a message.</param>
/// <param name="Folders">More than one where its libraries come in several packages.</param>
internal sealed record LibtorchPlace(string Name, IReadOnlyList<string> Folders)
{
    /// <summary>Path of a library, as in <c>torch_cpu</c>; null when this place does not have it.</summary>
    public string? Find(string library) =>
        Folders.Select(folder => Path.Combine(folder, LibtorchPackage.FileName(library))).FirstOrDefault(File.Exists);
}

/// <summary>Where libtorch is looked for, the likeliest place to be meant first.</summary>
internal static class LibtorchPlaces
{
    /// <summary>The first place that holds libtorch; null when none does.</summary>
    public static LibtorchPlace? Find() => All().FirstOrDefault(place => place.Find("torch_cpu") is not null);

    /// <summary>Where <c>asft setup</c> puts it.</summary>
    public static string Installed(bool cuda) =>
        Path.Combine(UserFolders.Cache, "libtorch", LibtorchPackage.Version, cuda ? LibtorchPackage.Cuda : LibtorchPackage.Cpu);

    /// <summary>Folders that may hold TorchSharp's own native library.</summary>
    public static IEnumerable<string> ShimFolders() => [.. BesideTorchSharp(), Path.Combine(TorchSharpPackage, LibtorchPackage.NativeFolder)];

    private static IEnumerable<LibtorchPlace> All()
    {
        foreach (var folder in BesideTorchSharp()) yield return new LibtorchPlace(folder, [folder]);
        // A notebook's kernel and `#r` load TorchSharp.dll from the package cache, where libtorch is its neighbour.
        foreach (var place in Packages(PackagesOfTorchSharp)) yield return place;
        foreach (var place in PreferCuda(cuda => [Installed(cuda)])) yield return place;
        foreach (var place in Packages(UserFolders.NuGetPackages)) yield return place;
    }

    // A plug-in or a `#r` of a DLL has a folder of its own, which goes before the host's.
    private static IEnumerable<string> BesideTorchSharp()
    {
        foreach (var folder in new[] { LibtorchPackage.TorchSharpFolder, AppContext.BaseDirectory })
        {
            yield return Path.Combine(folder, LibtorchPackage.NativeFolder);
            yield return folder;
        }
        if (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is not string searched) yield break;
        foreach (var folder in searched.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)) yield return folder;
    }

    // From packages/torchsharp/VERSION/lib/FRAMEWORK.
    private static string TorchSharpPackage => Path.GetFullPath(Path.Combine(LibtorchPackage.TorchSharpFolder, "..", ".."));

    private static string? PackagesOfTorchSharp => Path.GetDirectoryName(TorchSharpPackage) is { } versions && Path.GetFileName(versions) == "torchsharp"
        ? Path.GetDirectoryName(versions)
        : null;

    // Of the versions in a cache only the one that TorchSharp was built against: another one ends the process at the first call that it lacks.
    private static IEnumerable<LibtorchPlace> Packages(string? cache)
    {
        if (cache is null || !Directory.Exists(cache)) return [];
        return PreferCuda(cuda =>
        [
            .. Directory.EnumerateDirectories(cache, cuda ? $"{LibtorchPackage.Cuda}*" : LibtorchPackage.Cpu)
                .Order(StringComparer.Ordinal)
                .Select(package => Path.Combine(package, LibtorchPackage.Version, LibtorchPackage.NativeFolder))
                .Where(Directory.Exists),
        ]);
    }

    // A cache does not tell which of two builds a program is meant to use: CUDA's where it is whole and there is a driver.
    private static IEnumerable<LibtorchPlace> PreferCuda(Func<bool, IReadOnlyList<string>> folders)
    {
        var cuda = new LibtorchPlace(LibtorchPackage.Cuda, folders(true));
        if (cuda.Find("torch_cuda") is not null && HasCudaDriver()) yield return cuda;
        yield return new LibtorchPlace(LibtorchPackage.Cpu, folders(false));
        yield return cuda;
    }

    /// <summary>Whether programs can reach an NVIDIA GPU here.</summary>
    public static bool HasCudaDriver() => NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out _);
}
