using System.Text.Json;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Values of JSON as a template sees them.</summary>
internal static class JinjaValues
{
    /// <param name="json">The value.</param>
    /// <param name="source">What its texts are marked with.</param>
    /// <exception cref="JinjaException">It holds a number that is too large.</exception>
    public static object? Of(JsonElement json, char source = '\0') => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().Aggregate(new Mapping(), (mapping, field) => mapping.Set(new SourcedText(field.Name, source), Of(field.Value, source))),
        JsonValueKind.Array => new Sequence([.. json.EnumerateArray().Select(item => Of(item, source))]),
        JsonValueKind.String => new SourcedText(json.GetString()!, source),
        JsonValueKind.Number when json.TryGetInt64(out var whole) => whole,
        JsonValueKind.Number => json.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };
}
