namespace AsFT.Torch.Input;

/// <summary>The one way in which whole texts are read: UTF-8, with or without a byte order mark, and nothing else in silence.</summary>
internal static class TextInput
{
    /// <summary>A text file that people write by hand has at most this many bytes.</summary>
    public const long MaxBytes = 64 << 20;

    /// <summary>Reads a text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Most bytes that are read.</param>
    /// <returns>Valid UTF-8 without a byte order mark.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is larger, no regular file, or no text in UTF-8; says what it is.</exception>
    public static ReadOnlyMemory<byte> Read(string path, long maxBytes = MaxBytes) => Check(InputFile.ReadAllBytes(path, maxBytes), path);

    /// <summary>Checks a text that lies in memory.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="path">The file, or what else it is called in an error.</param>
    /// <returns>The same without a byte order mark.</returns>
    /// <exception cref="InvalidDataException">It is no text in UTF-8; says what it is.</exception>
    public static ReadOnlyMemory<byte> Check(ReadOnlyMemory<byte> bytes, string path)
    {
        var wrong = ForeignContent.Recognize(bytes.Span) ?? ForeignContent.InvalidUtf8(bytes.Span);
        if (wrong is not null) throw new InvalidDataException($"'{path}' {wrong}.");
        return bytes.Span.StartsWith(ForeignContent.ByteOrderMark) ? bytes[ForeignContent.ByteOrderMark.Length..] : bytes;
    }

    /// <summary>A text of untrusted origin, fit for an error message: short, and on one line.</summary>
    public static string Shown(string text)
    {
        var shown = string.Concat(text.Take(200).Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString()));
        return text.Length > 200 ? shown + "…" : shown;
    }

    /// <summary>The lines of a text.</summary>
    /// <inheritdoc cref="Read"/>
    public static string[] ReadLines(string path, long maxBytes = MaxBytes) =>
        System.Text.Encoding.UTF8.GetString(Read(path, maxBytes).Span).ReplaceLineEndings("\n").Split('\n');
}
