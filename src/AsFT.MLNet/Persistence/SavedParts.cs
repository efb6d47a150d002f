using System.IO.Compression;

namespace AsFT.MLNet.Persistence;

/// <summary>
/// The parts of one transformer in a model.zip, read straight from the archive: no part further than the size that the archive
/// declares, and that must be one such a part may have. A small file can otherwise fill memory and disk, for zeros shrink a thousandfold.
/// </summary>
/// <param name="archive">The opened zip.</param>
/// <param name="folder">The transformer's folder in it.</param>
/// <param name="file">The zip's path, where it is known.</param>
internal sealed class SavedParts(ZipArchive archive, string folder, string? file)
{
    /// <summary>Most bytes of a JSON part; that of a long training holds its whole history.</summary>
    public const int MaxTextBytes = 64 << 20;

    // Weights hardly shrink, text to a tenth.
    private const long FreeBytes = 16 << 20, MostShrinking = 100;

    /// <summary>The parts that lie beside one of a given name, of the last transformer that has it; null where none has.</summary>
    public static SavedParts? Beside(ZipArchive archive, string part, string file) =>
        archive.Entries.LastOrDefault(entry => Segments(entry.FullName)[^1] == part) is { } found
            ? new SavedParts(archive, string.Join('/', Segments(found.FullName)[..^1]), file)
            : null;

    /// <summary>The zip and a part of it, in messages.</summary>
    public string Name(string part) => $"{file ?? "model file"} (part {part})";

    /// <summary>Refuses what a later version of this library wrote: the same words may mean something else there.</summary>
    /// <exception cref="InvalidDataException">The format is unknown.</exception>
    public void CheckFormat(string part, int found, int newest)
    {
        if (found < 0 || found > newest)
            throw new InvalidDataException($"'{Name(part)}' has format {found}; this version of AsFT.MLNet reads formats 0 to {newest}. Load it with the version that wrote it, or a later one.");
    }

    /// <summary>Declared bytes of a part; null where there is none.</summary>
    public long? Length(string part) => Find(part)?.Length;

    /// <summary>Reads a part into memory.</summary>
    /// <exception cref="InvalidDataException">It is not there, too large, or other than declared.</exception>
    public byte[] ReadBytes(string part, long maxBytes)
    {
        var entry = Require(part, maxBytes);
        var bytes = new byte[entry.Length];
        using var stream = entry.Open();
        Copy(stream, entry, bytes.Length, (block, at) => block.CopyTo(bytes.AsSpan((int)at)), part);
        return bytes;
    }

    /// <summary>Writes a part into a file.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    public void Extract(string part, string path, long maxBytes)
    {
        var entry = Require(part, maxBytes);
        using var stream = entry.Open();
        using var target = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        Copy(stream, entry, entry.Length, (block, _) => target.Write(block), part);
    }

    /// <summary>The first bytes of a part, fewer where it is shorter; nothing else of it is unpacked.</summary>
    public byte[] ReadStart(string part, int count)
    {
        using var stream = Require(part, long.MaxValue).Open();
        var bytes = new byte[count];
        return bytes[..stream.ReadAtLeast(bytes, count, throwOnEndOfStream: false)];
    }

    private ZipArchiveEntry Require(string part, long maxBytes)
    {
        var entry = Find(part) ?? throw new InvalidDataException($"'{Name(part)}' is not there; the file is damaged or was not written by AsFT.MLNet.");
        if (entry.Length > maxBytes) throw new InvalidDataException($"'{Name(part)}' has {entry.Length} bytes; at most {maxBytes} are read.");
        if (entry.Length > FreeBytes && entry.Length / MostShrinking > entry.CompressedLength)
            throw new InvalidDataException($"'{Name(part)}' would grow from {entry.CompressedLength} bytes to {entry.Length}; what is in no such file shrinks that much. It is not unpacked.");
        return entry;
    }

    private void Copy(Stream source, ZipArchiveEntry entry, long length, BlockAction action, string part)
    {
        var buffer = new byte[1 << 16];
        long total = 0;
        try
        {
            for (int read; (read = source.Read(buffer)) > 0; total += read)
            {
                if (total + read > length) throw new InvalidDataException($"'{Name(part)}' holds more than the {entry.Length} bytes that the archive declares.");
                action(buffer.AsSpan(0, read), total);
            }
        }
        catch (InvalidDataException e) when (e.InnerException is null && !e.Message.Contains(part, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"'{Name(part)}' is damaged: {e.Message}", e);
        }
        if (total != length) throw new InvalidDataException($"'{Name(part)}' ends after {total} of {length} bytes.");
    }

    // ML.NET finds parts whatever the letter case, and with either separator; the last of a name counts.
    private ZipArchiveEntry? Find(string part)
    {
        var wanted = Segments(folder).Append(part).ToArray();
        return archive.Entries.LastOrDefault(entry => Segments(entry.FullName).SequenceEqual(wanted, StringComparer.OrdinalIgnoreCase));
    }

    private static string[] Segments(string path) => path.Split(['/', '\\'], StringSplitOptions.RemoveEmptyEntries);

    private delegate void BlockAction(ReadOnlySpan<byte> block, long at);
}
