using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using AsFT.Torch.Input;

namespace AsFT.Torch.Checkpoints;

/// <summary>
/// Tells whether a model is the one that an adapter was trained on: where it lay, how large it was, and a hash over its
/// weights, configuration and tokenizer. The path is where to look first; equality of content decides.
/// </summary>
/// <param name="Path">Full path of the model folder, or of one file.</param>
/// <param name="Bytes">Sum of the sizes of the files hashed.</param>
/// <param name="Sha256">SHA-256, 64 lower-case hexadecimal digits, over name, size and content of each file in the order of names.</param>
internal sealed record CheckpointFingerprint(string Path, long Bytes, string Sha256)
{
    private const int BufferBytes = 1 << 20;
    private const string Template = "chat_template.jinja";

    /// <summary>Reads a model folder, or one file, from end to end.</summary>
    /// <param name="path">A model folder with safetensors weights, or a file.</param>
    /// <param name="cancellation">Ends the reading early.</param>
    /// <exception cref="DirectoryNotFoundException">There is neither a folder nor a file at the path.</exception>
    /// <exception cref="InvalidDataException">The folder has no safetensors weights.</exception>
    public static CheckpointFingerprint Compute(string path, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Compute(path, Files(path), cancellation);
    }

    /// <summary>Whether a hash is that of a model, be it of a time when no chat template lay beside it: where weights alone count.</summary>
    /// <param name="path">The model folder.</param>
    /// <param name="sha256">The hash that is to be the model's.</param>
    /// <param name="cancellation">Ends the reading early.</param>
    internal static bool IsOf(string path, string sha256, CancellationToken cancellation)
    {
        var files = Files(path);
        if (Compute(path, files, cancellation).Sha256 == sha256) return true;
        string[] others = [.. files.Where(file => System.IO.Path.GetFileName(file) != Template)];
        return others.Length < files.Count && Compute(path, others, cancellation).Sha256 == sha256;
    }

    private static CheckpointFingerprint Compute(string path, IReadOnlyList<string> files, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferBytes];
        var total = 0L;
        foreach (var file in files)
        {
            using var stream = InputFile.Open(file, FileOptions.SequentialScan, bufferSize: 0);
            // Name and size mark where one file ends, so that no two sets of files look the same.
            Append(hash, System.IO.Path.GetFileName(file), stream.Length);
            for (int read; (read = stream.Read(buffer)) > 0; total += read)
            {
                cancellation.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }
        }
        return new CheckpointFingerprint(System.IO.Path.GetFullPath(path), total, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    /// <summary>Makes sure that a model is the one with this fingerprint.</summary>
    /// <param name="path">Where the model lies now; null: where it lay.</param>
    /// <param name="cancellation">Ends the reading early.</param>
    /// <exception cref="DirectoryNotFoundException">There is no model at the path.</exception>
    /// <exception cref="InvalidDataException">The model is another one, or was changed.</exception>
    public void Verify(string? path = null, CancellationToken cancellation = default)
    {
        path ??= Path;
        // Sizes are known at once; a hash takes as long as reading the model.
        var bytes = Files(path).Sum(InputFile.Length);
        if (bytes != Bytes)
            throw new InvalidDataException($"The model in '{path}' is not the one this was made with, or was changed: it has {bytes} bytes instead of {Bytes}.");
        var found = Compute(path, cancellation).Sha256;
        if (found != Sha256)
            throw new InvalidDataException($"The model in '{path}' is not the one this was made with, or was changed: its SHA-256 is {found} instead of {Sha256}.");
    }

    private static IReadOnlyList<string> Files(string path)
    {
        if (File.Exists(path)) return [path];
        if (!Directory.Exists(path)) throw new DirectoryNotFoundException($"There is no model at '{path}'.{HubName.Advice(path)}");
        var weights = ModelCheckpoint.WeightFiles(path);
        var index = System.IO.Path.Combine(path, ModelCheckpoint.IndexFile);
        var isSharded = weights.Count != 1 || System.IO.Path.GetFileName(weights[0]) != ModelCheckpoint.SingleFile;
        return
        [
            .. weights.Concat(isSharded ? [index] : [])
                .Concat(ModelFiles.Fingerprinted.Select(name => System.IO.Path.Combine(path, name)).Where(File.Exists))
                .OrderBy(System.IO.Path.GetFileName, StringComparer.Ordinal),
        ];
    }

    private static void Append(IncrementalHash hash, string name, long length)
    {
        var text = Encoding.UTF8.GetBytes(name);
        Span<byte> sizes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(sizes, text.Length);
        BinaryPrimitives.WriteInt64LittleEndian(sizes[8..], length);
        hash.AppendData(sizes);
        hash.AppendData(text);
    }
}
