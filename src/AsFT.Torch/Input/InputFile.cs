using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace AsFT.Torch.Input;

/// <summary>
/// The one way in which files that others made are opened: regular files alone. A named pipe or a device in a model folder
/// would hold the process for good, and its length means nothing.
/// </summary>
internal static class InputFile
{
    /// <summary>Opens a file to be read as a stream.</summary>
    /// <param name="path">The file, or a link to it.</param>
    /// <param name="options">For instance a hint at sequential reading.</param>
    /// <param name="bufferSize">Bytes of the stream's own buffer; 0 for none.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no regular file.</exception>
    public static FileStream Open(string path, FileOptions options = FileOptions.None, int bufferSize = 4096)
    {
        RequireRegular(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize, options);
        // What Windows calls a file and is none.
        if (stream.CanSeek) return stream;
        stream.Dispose();
        throw NotRegular(path, "a pipe or device");
    }

    /// <summary>Opens a file to be read at any place.</summary>
    /// <inheritdoc cref="Open"/>
    public static SafeFileHandle OpenHandle(string path, FileOptions options = FileOptions.None)
    {
        RequireRegular(path);
        return File.OpenHandle(path, options: options);
    }

    /// <summary>Whether there is a file, or a link to one: to .NET a link to nothing exists, too.</summary>
    public static bool Exists(string path) => File.Exists(path) && new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is not { Exists: false };

    /// <summary>Bytes of a file, of the one that a link leads to where it is one.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static long Length(string path)
    {
        RequireThere(path);
        var file = new FileInfo(path);
        return ((FileInfo?)file.ResolveLinkTarget(returnFinalTarget: true) ?? file).Length;
    }

    /// <summary>Lower-case hexadecimal SHA-256 of a file's content.</summary>
    /// <inheritdoc cref="Open"/>
    public static string Sha256(string path)
    {
        using var stream = Open(path, FileOptions.SequentialScan, 1 << 20);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">What a file of this kind has at most; a larger one is not read.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no regular file, or larger.</exception>
    public static byte[] ReadAllBytes(string path, long maxBytes)
    {
        using var stream = Open(path, bufferSize: 0);
        if (stream.Length > maxBytes) throw new InvalidDataException($"'{path}' has {stream.Length} bytes; at most {maxBytes} are read.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Copies a file; of a link, what it leads to.</summary>
    /// <param name="path">The file.</param>
    /// <param name="target">Where the copy is to lie; nothing may be there.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no regular file.</exception>
    public static void Copy(string path, string target)
    {
        RequireRegular(path);
        File.Copy(path, target);
    }

    private static void RequireRegular(string path)
    {
        RequireThere(path);
        if (FileKind.Of(path) is { } kind) throw NotRegular(path, kind);
    }

    private static void RequireThere(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path)) throw new FileNotFoundException($"'{path}' is a folder; a file is wanted.", path);
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file '{path}'.", path);
        // A link without its target exists to .NET. The Hugging Face cache has such ones when its blobs were cleared.
        if (new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is { Exists: false } target)
            throw new FileNotFoundException($"'{path}' is a link to '{target.FullName}', where nothing is; download the file again.", path);
    }

    private static InvalidDataException NotRegular(string path, string kind) => new($"'{path}' is {kind}; only regular files are read.");
}
