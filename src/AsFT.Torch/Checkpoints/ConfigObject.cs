using System.Text.Json;

namespace AsFT.Torch.Checkpoints;

/// <summary>A JSON object of a configuration file; a field that is <c>null</c> counts as missing.</summary>
internal readonly struct ConfigObject(JsonElement element, string path, string prefix = "")
{
    public string Path => path;

    public InvalidDataException Wrong(string field, string found, string wanted) =>
        new($"'{path}': {prefix}{field} is {found}; {wanted}.");

    public JsonElement? Field(string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>Whether the file names the field at all, be it with null.</summary>
    public bool Has(string name) => element.TryGetProperty(name, out _);

    public ConfigObject? Object(string name) => Field(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new ConfigObject(value, path, $"{prefix}{name}.")
        : throw Wrong(name, Shown(value), "an object is wanted");

    public IEnumerable<JsonProperty> Properties() => element.EnumerateObject();

    public string? Text(string name) => Field(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(name, Shown(value), "a text is wanted");

    public bool Flag(string name, bool missing = false) => Field(name) is not { } value ? missing
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, Shown(value), "true or false is wanted");

    /// <summary>A size: a whole number of at least 1.</summary>
    public int? Size(string name) => Field(name) is not { } value ? null
        : Integer(value) is { } number and >= 1 ? number
        : throw Wrong(name, Shown(value), $"a whole number from 1 to {int.MaxValue} is wanted");

    /// <summary>A whole number from 0.</summary>
    public int? Whole(string name) => Field(name) is not { } value ? null
        : Integer(value) is { } number and >= 0 ? number
        : throw Wrong(name, Shown(value), $"a whole number from 0 to {int.MaxValue} is wanted");

    public int RequiredSize(string name) => Size(name) ?? throw new InvalidDataException($"'{path}' has no {prefix}{name}.");

    public double? Positive(string name) => Field(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number > 0 && double.IsFinite(number) ? number
        : throw Wrong(name, Shown(value), "a positive number is wanted");

    /// <summary>A list of finite numbers.</summary>
    public IReadOnlyList<double>? Numbers(string name) => List<double>(name, "a list of numbers is wanted", item =>
        item.ValueKind == JsonValueKind.Number && item.TryGetDouble(out var number) && double.IsFinite(number) ? number : null);

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string>? Texts(string name) =>
        List<JsonElement>(name, "a list of texts is wanted", item => item.ValueKind == JsonValueKind.String ? item : null)?.ConvertAll(item => item.GetString()!);

    public double RequiredPositive(string name) => Positive(name) ?? throw new InvalidDataException($"'{path}' has no {prefix}{name}.");

    /// <summary>One token or a list of them; −1, an older way to say none, is left out.</summary>
    public IReadOnlyList<int> Tokens(string name)
    {
        if (Field(name) is not { } value) return [];
        var items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        var ids = new List<int>();
        foreach (var item in items)
        {
            if (Integer(item) is not { } id || id < -1) throw Wrong(name, Shown(value), "a token id or a list of them is wanted");
            if (id >= 0 && !ids.Contains(id)) ids.Add(id);
        }
        return ids;
    }

    public int? Token(string name) => Tokens(name) switch
    {
        [] => null,
        [var id] => id,
        _ => throw Wrong(name, "a list", "one token id is wanted"),
    };

    private List<T>? List<T>(string name, string wanted, Func<JsonElement, T?> read) where T : struct
    {
        if (Field(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(name, Shown(value), wanted);
        var items = new List<T>();
        foreach (var item in value.EnumerateArray()) items.Add(read(item) ?? throw Wrong(name, Shown(value), wanted));
        return items;
    }

    private static int? Integer(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;

    public static string Shown(JsonElement value) => SafetensorsHeader.Shown(value.GetRawText().ReplaceLineEndings(" "));
}
