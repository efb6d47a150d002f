using System.Security.Cryptography;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Setup;

/// <summary>A folder of libraries with their hashes beside them, in the format of <c>sha256sum</c>.</summary>
internal static class InstalledLibtorch
{
    private const string HashesName = "SHA256SUMS";

    /// <summary>Copies libraries into a folder, whole or not at all.</summary>
    public static void Write(string folder, IReadOnlyList<string> libraries, CancellationToken cancellationToken)
    {
        // What is there is incomplete or damaged; its files must not stay among the new ones.
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        AtomicOutput.WriteFolder(folder, partial =>
        {
            foreach (var library in libraries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                File.Copy(library, Path.Combine(partial, Path.GetFileName(library)));
            }
            File.WriteAllLines(Path.Combine(partial, HashesName), libraries.Select(library => $"{Hash(library)}  {Path.GetFileName(library)}"));
        });
    }

    /// <summary>Whether the folder is there and each of its libraries is as it was written.</summary>
    public static bool IsWhole(string folder)
    {
        var hashes = Path.Combine(folder, HashesName);
        return File.Exists(hashes) && File.ReadLines(hashes).All(line =>
            line.Split("  ", 2) is [var hash, var name] && Path.Combine(folder, Path.GetFileName(name)) is var file && File.Exists(file) && Hash(file) == hash);
    }

    private static string Hash(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
