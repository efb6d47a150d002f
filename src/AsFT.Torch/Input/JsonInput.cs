using System.Text.Json;

namespace AsFT.Torch.Input;

/// <summary>
/// The one way in which JSON is read. What it hands out is checked: valid UTF-8, no half of a surrogate pair, no name
/// twice in one object; so that reading a text of it cannot fail. What is wrong is told with the file's path.
/// </summary>
internal static class JsonInput
{
    /// <summary>Configurations have a few kilobytes.</summary>
    public const long MaxConfigBytes = 16 << 20;

    /// <summary>No name twice in one object: which of the two is meant nobody can tell.</summary>
    public static JsonDocumentOptions Strict { get; } = new() { AllowDuplicateProperties = false };

    private static readonly JsonDocumentOptions HandWritten = Strict with { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Reads a file whose root is an object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Most bytes that are read.</param>
    /// <param name="isHandWritten">Whether comments and a comma behind the last item are allowed.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is larger than allowed, or no such JSON; says what it is.</exception>
    public static JsonDocument Open(string path, long maxBytes = MaxConfigBytes, bool isHandWritten = false) =>
        Parse(InputFile.ReadAllBytes(path, maxBytes), path, isHandWritten);

    /// <summary>Reads an object that lies in memory.</summary>
    /// <param name="bytes">The bytes; they must not change while the document lives.</param>
    /// <param name="path">The file, or what else it is called in an error.</param>
    /// <param name="isHandWritten">Whether comments and a comma behind the last item are allowed.</param>
    /// <exception cref="InvalidDataException">It is no such JSON; says what it is.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> bytes, string path, bool isHandWritten = false)
    {
        var text = TextInput.Check(bytes, path);
        try
        {
            // First: a name with half a pair cannot be compared with others.
            RequireWholeTexts(text.Span, path, isHandWritten: isHandWritten);
            var document = JsonDocument.Parse(text, isHandWritten ? HandWritten : Strict);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            using (document) throw new InvalidDataException($"'{path}' is no JSON object; it is {Kind(document.RootElement.ValueKind)}.");
        }
        catch (JsonException e)
        {
            throw Malformed(path, e);
        }
    }

    /// <summary>
    /// Reads an object that lies in memory as one of ours: null where a value is wanted is an error, in lists too, which
    /// <see cref="JsonSerializerOptions.RespectNullableAnnotations"/> does not look at.
    /// </summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="path">The file, or what else it is called in an error.</param>
    /// <param name="options">How it is written; must respect nullable annotations.</param>
    /// <exception cref="InvalidDataException">It is something else; names what.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> bytes, string path, JsonSerializerOptions options)
    {
        if (!options.RespectNullableAnnotations) throw new ArgumentException("The options must respect nullable annotations.", nameof(options));
        using var document = Parse(bytes, path);
        RequireItems(document.RootElement, "", path);
        try
        {
            return document.Deserialize<T>(options)!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': {(e.Path is { Length: > 2 } place ? $"{place[2..]} holds what it must not" : "it is no such object")} ({Reason(e)}).", e);
        }
        // What a type's own checks say, and a kind of object that there is not.
        catch (Exception e) when (e is ArgumentException or NotSupportedException or InvalidOperationException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    private static void RequireItems(JsonElement element, string place, string path)
    {
        if (element.ValueKind == JsonValueKind.Object)
            foreach (var field in element.EnumerateObject()) RequireItems(field.Value, $"{place}{(place.Length > 0 ? "." : "")}{field.Name}", path);
        if (element.ValueKind != JsonValueKind.Array) return;
        var index = 0;
        foreach (var item in element.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Null) throw new InvalidDataException($"'{path}': {place}[{index}] is null; a value is wanted.");
            RequireItems(item, $"{place}[{index++}]", path);
        }
    }

    /// <summary>What is wrong with JSON that a reader of .NET refused.</summary>
    public static InvalidDataException Malformed(string path, JsonException e) => new($"'{path}', line {(e.LineNumber ?? 0) + 1}: malformed JSON ({Reason(e)}).", e);

    /// <summary>A reader's message without its position, which counts from 0, and without its advice, which is for programmers.</summary>
    public static string Reason(JsonException e)
    {
        if (e.Message.Contains("trailing comma", StringComparison.Ordinal)) return "a comma stands before the closing bracket; take it away";
        if (e.Message.StartsWith("'/'", StringComparison.Ordinal)) return "JSON has no comments; take them away";
        if (e.Message.StartsWith("'''", StringComparison.Ordinal)) return "texts and names stand in double quotes in JSON";
        return e.Message.Split(" LineNumber:")[0].Split(" Change the reader options")[0].Split(" Path:")[0].TrimEnd('.');
    }

    /// <summary>A kind of value in words.</summary>
    public static string Kind(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a truth value",
        _ => "null",
    };

    /// <summary>Refuses texts such as "\ud800", which are JSON and no text: asking for one fails wherever it is asked for.</summary>
    /// <param name="text">Valid UTF-8.</param>
    /// <param name="path">The file.</param>
    /// <param name="line">Line, counted from 1, of the first byte.</param>
    /// <param name="isHandWritten">Whether comments and a comma behind the last item are allowed.</param>
    /// <exception cref="InvalidDataException">There is one; names file and line.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static void RequireWholeTexts(ReadOnlySpan<byte> text, string path, long line = 1, bool isHandWritten = false)
    {
        // Such escapes are rare, so most files are not read twice.
        if (text.IndexOf(@"\ud"u8) < 0 && text.IndexOf(@"\uD"u8) < 0) return;
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { CommentHandling = isHandWritten ? JsonCommentHandling.Skip : JsonCommentHandling.Disallow, AllowTrailingCommas = isHandWritten });
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException e)
            {
                throw new InvalidDataException($"'{path}', line {line + text[..(int)reader.TokenStartIndex].Count((byte)'\n')}: a text holds half of a surrogate pair (\\ud800 to \\udfff without its other half), which is no character.", e);
            }
        }
    }
}
