using System.Text;
using System.Text.Unicode;

namespace AsFT.Torch.Input;

/// <summary>What lies under a file's name instead of what is wanted there, told with its cure.</summary>
internal static class ForeignContent
{
    /// <summary>Bytes that <see cref="Recognize"/> looks at, at most.</summary>
    public const int Looked = 512;

    /// <summary>UTF-8's byte order mark, which Windows' editors write and every reader skips.</summary>
    public static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Names what a file is by how it begins; null when it is nothing known.</summary>
    /// <param name="start">The file's first bytes, <see cref="Looked"/> of them where it has as many.</param>
    /// <returns>The end of a sentence that begins with the file.</returns>
    public static string? Recognize(ReadOnlySpan<byte> start)
    {
        if (start.Length > Looked) start = start[..Looked];
        if (start.IsEmpty) return "is empty";
        if (start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE, 0, 0]) || start.StartsWith((ReadOnlySpan<byte>)[0, 0, 0xFE, 0xFF])) return Encoded("UTF-32");
        if (start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || start.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF])) return Encoded("UTF-16");
        if (start.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B])) return Packed("gzip", "gunzip");
        if (start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD])) return Packed("zstd", "unzstd");
        if (start.StartsWith((ReadOnlySpan<byte>)[0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0])) return Packed("xz", "unxz");
        if (start.StartsWith("BZh"u8)) return Packed("bzip2", "bunzip2");
        if (start.StartsWith("PK\x03\x04"u8)) return "is a zip archive; unpack it. A PyTorch checkpoint (.bin, .pt) is one, too, and is never read: it can run code";
        // Protocol 2 to 5 of Python's pickle: its mark, the protocol, and what torch.save and pickle.dump put next.
        if (start is [0x80, >= 2 and <= 5, 0x8A or 0x95 or 0x7D or 0x5D or 0x28 or 0x63, ..]) return "is a Python pickle, which can run code when it is read, so it is never read; save it as safetensors where you trust it";
        if (start.StartsWith("GGUF"u8)) return "is a GGUF file, llama.cpp's format; the original model with safetensors weights is wanted";
        if (start.StartsWith("PAR1"u8)) return "is a Parquet file; convert it to JSON Lines, for instance with pandas.read_parquet(…).to_json(…, orient='records', lines=True)";
        if (start.StartsWith("version https://git-lfs.github.com/spec/"u8)) return "is a Git LFS pointer, not the file it stands for: run 'git lfs pull' in its folder, or download the file itself";
        var text = start.StartsWith(ByteOrderMark) ? start[ByteOrderMark.Length..] : start;
        text = text.TrimStart(" \t\r\n"u8);
        if (Begins(text, "<!doctype html") || Begins(text, "<html") || Begins(text, "<?xml") || Begins(text, "<head"))
            return "is a web page that was saved under this name: download the file itself (on the Hugging Face hub from the address with /resolve/ instead of /blob/, after signing in where the model asks for it)";
        // JSON and other text without a mark, every other byte of which is zero.
        if (start is [not 0, 0, not 0, 0, ..] or [0, not 0, 0, not 0, ..]) return Encoded("UTF-16");
        return !start.ContainsAnyExcept((byte)0) ? "holds zeros alone: it was not written to the end; download or save it again" : null;
    }

    /// <summary>Finds what is no UTF-8.</summary>
    /// <param name="text">Bytes that are to be UTF-8.</param>
    /// <param name="line">Line, counted from 1, of the first byte.</param>
    /// <returns>The end of a sentence that begins with the file; null for valid UTF-8.</returns>
    public static string? InvalidUtf8(ReadOnlySpan<byte> text, long line = 1)
    {
        if (Utf8.IsValid(text)) return null;
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var count) == System.Buffers.OperationStatus.Done) at += count;
        return $"is not in UTF-8: line {line + text[..at].Count((byte)'\n')} holds the byte 0x{text[at]:X2}, as in Latin-1 or Windows-1252. Save it as UTF-8, for instance with iconv -f WINDOWS-1252 -t UTF-8";
    }

    private static string Encoded(string encoding) => $"is in {encoding}; save it as UTF-8, for instance with iconv -f {encoding} -t UTF-8, or in PowerShell with -Encoding utf8";

    private static string Packed(string format, string command) => $"is packed with {format}; unpack it first ({command})";

    private static bool Begins(ReadOnlySpan<byte> text, string word) => Ascii.EqualsIgnoreCase(text[..Math.Min(text.Length, word.Length)], word);
}
