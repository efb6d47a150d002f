using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Setup;

/// <summary>Whether packages are the published ones, and what was taken from them is what they hold.</summary>
internal static class PackageHashes
{
    // NuGet's content hashes of the published packages: SHA-512 of the archive without its signature.
    private static readonly Dictionary<string, string> Published = new(StringComparer.OrdinalIgnoreCase)
    {
        ["libtorch-cpu-linux-x64/2.10.0"] = "YGd/F5T77Urmui3LeXOgXP8xqY+RpSZFcMBwV+tBDYMMtxppKyi8O4ajnWSNSmlSctr6KGvSmfGRhmxRGYfbuA==",
        ["libtorch-cpu-osx-arm64/2.10.0"] = "i8aTC3F+7JI65Jdr4MfgdVdZpFU/FCn2G1b/yc4Z8FauDgpc2cji3mwDfQy+3KdD+rpDBgCiAdqs8o0v7mDNXw==",
        ["libtorch-cpu-win-arm64/2.10.0"] = "GCJWQsvmhvAE36CzLwIDRdWw+GWWf+C1UWqWtTlZg9wlmA3YAcvY4YGHl2BfZuRt64mScxwYU49Q/jybC+qogQ==",
        ["libtorch-cpu-win-x64/2.10.0"] = "Gr1gCbueixwQIEnWiMXyAs4/uAFBar03K+AxZm9BY3t17MFaX9rEIe9Vxz+Cguo9G6dXXOeGAO3W1OEhax74Mw==",
    };

    /// <summary>Whether the published content hash of a package is known here.</summary>
    public static bool IsKnown(PackageRestore.Package package) => Published.ContainsKey(Key(package));

    /// <summary>Checks the archive in NuGet's cache against the hash that was taken when it came, and against the published one.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public static void CheckArchive(PackageRestore.Package package)
    {
        using var archive = File.OpenRead(package.Archive);
        if (Convert.ToBase64String(SHA512.HashData(archive)) != File.ReadAllText($"{package.Archive}.sha512").Trim())
            throw Damaged(package, "the archive has changed since NuGet wrote it");
        using var metadata = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(package.Folder, ".nupkg.metadata")));
        var content = metadata.RootElement.GetProperty("contentHash").GetString();
        if (Published.TryGetValue(Key(package), out var published) && content != published)
            throw Damaged(package, $"its content hash is {content}, and that of the published package {published}");
    }

    /// <summary>Checks libraries against the packages they came from.</summary>
    /// <returns>Those that are in no package as they are: put together from parts by the packages' own build, which checks them itself.</returns>
    /// <exception cref="InvalidDataException">A library is not what its package holds.</exception>
    public static IReadOnlyList<string> CheckLibraries(IEnumerable<string> libraries, IReadOnlyList<PackageRestore.Package> packages)
    {
        var rest = libraries.ToDictionary(path => $"runtimes/{LibtorchPackage.Rid}/native/{Path.GetFileName(path)}", StringComparer.Ordinal);
        foreach (var package in packages)
        {
            using var archive = ZipFile.OpenRead(package.Archive);
            foreach (var entry in archive.Entries)
            {
                if (!rest.Remove(entry.FullName, out var path)) continue;
                using var wanted = entry.Open();
                using var found = File.OpenRead(path);
                if (!SHA256.HashData(wanted).AsSpan().SequenceEqual(SHA256.HashData(found))) throw Damaged(package, $"'{entry.FullName}' is not what the archive holds");
            }
        }
        return [.. rest.Values];
    }

    private static string Key(PackageRestore.Package package) => $"{package.Id}/{package.Version}";

    private static InvalidDataException Damaged(PackageRestore.Package package, string reason) =>
        new($"The package {package.Id} {package.Version} in '{package.Folder}' is not as published: {reason}. Delete that folder and run 'asft setup' again; nothing was installed.");
}
