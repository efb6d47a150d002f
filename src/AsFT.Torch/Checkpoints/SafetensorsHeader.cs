using System.Buffers.Binary;
using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Torch.Checkpoints;

/// <summary>
/// The header of a safetensors file: 8 bytes with its length, little-endian, then a JSON object. It is untrusted input, so
/// everything that reading a tensor relies on is checked here, before anything is allocated from it.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Bytes before the JSON.</summary>
    public const int PrefixSize = 8;

    // As the reference implementation has it.
    private const long MaxLength = 100_000_000;
    // libtorch's own limit.
    private const int MaxDimensions = 64;
    private const string MetadataKey = "__metadata__";

    private readonly string _path;
    private readonly long _dataStart;
    private readonly long _dataLength;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsHeader(string path, long dataStart, long dataLength) =>
        (_path, _dataStart, _dataLength) = (path, dataStart, dataLength);

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Reads the header of a file that lies in memory as a whole.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> file, string path)
    {
        var length = JsonLength(file[..Math.Min(file.Length, PrefixSize)], file.Length, path);
        return Parse(file.Slice(PrefixSize, length), file.Length, path);
    }

    /// <summary>Length of the JSON, from the first 8 bytes.</summary>
    /// <exception cref="InvalidDataException">The length is not credible.</exception>
    public static int JsonLength(ReadOnlySpan<byte> prefix, long fileLength, string path)
    {
        if (prefix.Length < PrefixSize)
            throw new InvalidDataException($"'{path}' is no safetensors file: it has {fileLength} bytes, and the header's length alone takes {PrefixSize}.");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
            throw new InvalidDataException($"'{path}' is no safetensors file, or damaged: its header's length is {length}; at most {MaxLength} is allowed.");
        if ((long)length > fileLength - PrefixSize)
            throw new InvalidDataException($"'{path}' is cut short or damaged: its header's length is {length}, but only {fileLength - PrefixSize} bytes follow.");
        if (length < 2)
            throw new InvalidDataException($"'{path}' is damaged: its header's length is {length}; a JSON object is wanted.");
        return (int)length;
    }

    /// <summary>Reads the JSON of a header.</summary>
    /// <exception cref="InvalidDataException">The header is damaged, or does not fit the file's length.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long fileLength, string path)
    {
        var dataStart = PrefixSize + json.Length;
        var header = new SafetensorsHeader(path, dataStart, fileLength - dataStart);
        try
        {
            // Object of objects of arrays, and nothing deeper.
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 3 });
            header.ReadRoot(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no valid UTF-8 or has half a surrogate pair.
            throw new InvalidDataException($"'{path}' is damaged: its header is no valid JSON ({FirstSentence(e.Message)}).", e);
        }
        header.CheckLayout();
        return header;
    }

    private void ReadRoot(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new InvalidDataException($"'{_path}' is damaged: its header is no JSON object.");
        var hasMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (name == MetadataKey)
            {
                if (hasMetadata) throw new InvalidDataException($"'{_path}' is damaged: its header names '{MetadataKey}' twice.");
                hasMetadata = true;
                ReadMetadata(ref reader);
            }
            else if (!_entries.TryAdd(name, ReadEntry(ref reader, name)))
            {
                throw Damaged(name, "is named twice in the header");
            }
        }
        // Finds what follows the object; spaces are allowed, they align the data.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new InvalidDataException($"'{_path}' is damaged: '{MetadataKey}' is no JSON object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new InvalidDataException($"'{_path}' is damaged: '{MetadataKey}' has {Describe(reader.TokenType)} at '{Shown(key)}'; only texts are allowed.");
            if (!_metadata.TryAdd(key, reader.GetString()!))
                throw new InvalidDataException($"'{_path}' is damaged: '{MetadataKey}' names '{Shown(key)}' twice.");
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw Damaged(name, $"is described by {Describe(reader.TokenType)}; a JSON object is wanted");
        SafetensorsDType? dtype = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString();
            reader.Read();
            switch (field)
            {
                case "dtype" when dtype is null:
                    var text = reader.TokenType == JsonTokenType.String ? reader.GetString() : throw Damaged(name, "has a dtype that is no text");
                    dtype = SafetensorsDTypes.Parse(text) ?? throw Damaged(name, $"has the unknown dtype '{Shown(text!)}'");
                    break;
                case "shape" when shape is null:
                    shape = ReadIntegers(ref reader, name, "shape", MaxDimensions);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadIntegers(ref reader, name, "data_offsets", 2);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Damaged(name, $"has '{field}' twice");
                default:
                    throw Damaged(name, $"has the unknown field '{Shown(field!)}'");
            }
        }
        if (dtype is not { } format) throw Damaged(name, "has no dtype");
        if (shape is null) throw Damaged(name, "has no shape");
        if (offsets is not [var begin, var end]) throw Damaged(name, offsets is null ? "has no data_offsets" : "has data_offsets of another length than 2");
        if (begin > end) throw Damaged(name, $"ends before it begins: data_offsets [{begin}, {end}]");
        if (end > _dataLength) throw Damaged(name, $"has data_offsets [{begin}, {end}], but only {_dataLength} bytes of data follow the header: the file is cut short");
        var bytes = ByteCount(name, shape, format);
        if (bytes != end - begin)
            throw Damaged(name, $"has shape ({string.Join(", ", shape)}) of {format.Name()}, {bytes} bytes, but data_offsets [{begin}, {end}], {end - begin} bytes");
        return new SafetensorsEntry(name, format, shape, _dataStart + begin, bytes);
    }

    private List<long> ReadIntegers(ref Utf8JsonReader reader, string name, string field, int most)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Damaged(name, $"has '{field}' that is {Describe(reader.TokenType)}; a list is wanted");
        var values = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var value) || value < 0)
                throw Damaged(name, $"has '{field}' with an entry that is no whole number from 0 to 2^63 - 1");
            if (values.Count == most) throw Damaged(name, $"has '{field}' with more than {most} entries");
            values.Add(value);
        }
        return values;
    }

    // An empty tensor's other sizes are checked as well: libtorch multiplies them up for its strides.
    private long ByteCount(string name, List<long> shape, SafetensorsDType dtype)
    {
        var isEmpty = false;
        long bytes = dtype.Size();
        foreach (var size in shape)
        {
            if (size == 0) isEmpty = true;
            else if (Math.BigMul(bytes, size, out bytes) != 0 || bytes < 0)
                throw Damaged(name, $"has shape ({string.Join(", ", shape)}), more bytes than 2^63 - 1");
        }
        return isEmpty ? 0 : bytes;
    }

    // The data are one unbroken sequence of tensors: nothing is shared between two, and nothing is hidden between them.
    private void CheckLayout()
    {
        var end = _dataStart;
        SafetensorsEntry? previous = null;
        foreach (var entry in _entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.ByteCount))
        {
            if (entry.Offset < end) throw Damaged(entry.Name, $"overlaps tensor '{Shown(previous!.Name)}'");
            if (entry.Offset > end) throw Damaged(entry.Name, $"leaves a gap of {entry.Offset - end} bytes before it");
            end = entry.Offset + entry.ByteCount;
            previous = entry;
        }
        var rest = _dataStart + _dataLength - end;
        if (rest == 0) return;
        throw previous is null
            ? new InvalidDataException($"'{_path}' is damaged: its header names no tensor, but {rest} bytes of data follow.")
            : Damaged(previous.Name, $"is the last one, but {rest} bytes follow it that belong to no tensor");
    }

    private InvalidDataException Damaged(string name, string what) => new($"'{_path}' is damaged: tensor '{Shown(name)}' {what}.");

    private static string Describe(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a text",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "a truth value",
        _ => "null",
    };

    /// <summary>A name of untrusted origin, fit for an error message: short, and on one line.</summary>
    internal static string Shown(string name) => TextInput.Shown(name);

    private static string FirstSentence(string message) => message.Split(". ", 2)[0].TrimEnd('.').ReplaceLineEndings(" ");
}
