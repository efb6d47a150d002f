using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Lab.Comparison;

/// <summary>
/// Reads option records from JSON by their properties' names, so that every option a record has, now or later, can be
/// written in a file; a key that is none of them is an error that names it and those there are.
/// </summary>
internal static class StrictJson
{
    /// <summary>A file's object as a record.</summary>
    /// <exception cref="InvalidDataException">Malformed, an unknown or missing key, or a value of another kind; names file and key.</exception>
    public static T ReadFile<T>(string path)
    {
        using var document = JsonInput.Open(path, isHandWritten: true);
        return (T)Read(document.RootElement, typeof(T), $"'{path}'")!;
    }

    /// <summary>A copy of a record with one option set.</summary>
    /// <param name="record">The record.</param>
    /// <param name="option">The option's name in camel case.</param>
    /// <param name="value">Its value.</param>
    /// <param name="where">What an error names before the option.</param>
    public static T With<T>(T record, string option, JsonElement value, string where) where T : notnull
    {
        var copy = (T)record.GetType().GetMethod("<Clone>$")!.Invoke(record, null)!;
        Set(copy, option, value, where);
        return copy;
    }

    /// <summary>Type of an option.</summary>
    public static Type TypeOf(Type record, string option, string where) => Find(record, option, where).PropertyType;

    /// <summary>Whether values of the type are written as JSON arrays.</summary>
    public static bool IsList(Type type) => type != typeof(string) && ItemType(type) is not null;

    private static object? Read(JsonElement element, Type type, string where)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner) return element.ValueKind == JsonValueKind.Null ? null : Read(element, inner, where);
        if (type == typeof(JsonElement)) return element.Clone();
        if (element.ValueKind == JsonValueKind.Null) throw Wrong(element, where, "a value");
        if (type == typeof(string)) return element.ValueKind == JsonValueKind.String ? element.GetString() : throw Wrong(element, where, "a text");
        if (type == typeof(bool)) return element.ValueKind is JsonValueKind.True or JsonValueKind.False ? element.GetBoolean() : throw Wrong(element, where, "true or false");
        if (type == typeof(int)) return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var number) ? number : throw Wrong(element, where, "a whole number");
        if (type == typeof(long)) return element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out var number) ? number : throw Wrong(element, where, "a whole number");
        if (type == typeof(double)) return element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var number) ? number : throw Wrong(element, where, "a number");
        if (type.IsEnum) return ReadEnum(element, type, where);
        if (type == typeof(ComparisonFile) && element.ValueKind == JsonValueKind.String) return new ComparisonFile { File = element.GetString()! };
        if (MapValueType(type) is { } valueType) return ReadMap(element, valueType, where);
        return ItemType(type) is { } item ? ReadList(element, item, where) : ReadRecord(element, type, where);
    }

    private static object ReadRecord(JsonElement element, Type type, string where)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Wrong(element, where, "an object");
        var record = Activator.CreateInstance(type)!;
        foreach (var property in element.EnumerateObject()) Set(record, property.Name, property.Value, where);
        foreach (var required in Options(type).Where(p => p.GetCustomAttribute<RequiredMemberAttribute>() is not null))
            if (!element.TryGetProperty(Name(required), out _)) throw new InvalidDataException($"{where} lacks the key '{Name(required)}'.");
        return record;
    }

    private static Array ReadList(JsonElement element, Type item, string where)
    {
        if (element.ValueKind != JsonValueKind.Array) throw Wrong(element, where, "a list");
        var list = Array.CreateInstance(item, element.GetArrayLength());
        for (var i = 0; i < list.Length; i++) list.SetValue(Read(element[i], item, $"{where}[{i}]") ?? throw Wrong(element[i], $"{where}[{i}]", "a value"), i);
        return list;
    }

    private static object ReadMap(JsonElement element, Type valueType, string where)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Wrong(element, where, "an object");
        var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), valueType))!;
        foreach (var property in element.EnumerateObject()) map[property.Name] = Read(property.Value, valueType, $"{where}.{property.Name}") ?? throw Wrong(property.Value, $"{where}.{property.Name}", "a value");
        return map;
    }

    private static object ReadEnum(JsonElement element, Type type, string where) =>
        element.ValueKind == JsonValueKind.String && Enum.GetNames(type).FirstOrDefault(n => n.Equals(element.GetString(), StringComparison.OrdinalIgnoreCase)) is { } name
            ? Enum.Parse(type, name)
            : throw Wrong(element, where, $"one of {string.Join(", ", Enum.GetNames(type).Select(Camel))}");

    private static void Set(object record, string option, JsonElement value, string where)
    {
        var property = Find(record.GetType(), option, where);
        // Null is a value only where the property says so; in a list or a map it never is.
        var isNull = value.ValueKind == JsonValueKind.Null && !property.PropertyType.IsValueType && new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;
        property.SetValue(record, isNull ? null : Read(value, property.PropertyType, $"{where}: {option}"));
    }

    private static PropertyInfo Find(Type type, string option, string where) => Options(type).FirstOrDefault(p => Name(p) == option)
        ?? throw new InvalidDataException($"{where}: there is no key '{option}'; known here are {string.Join(", ", Options(type).Select(Name))}.");

    private static IEnumerable<PropertyInfo> Options(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is { IsPublic: true } && p.GetIndexParameters().Length == 0);

    private static string Name(PropertyInfo property) => Camel(property.Name);

    public static string Camel(string name)
    {
        // DType becomes dtype, as elsewhere.
        var upper = 0;
        while (upper < name.Length && char.IsUpper(name[upper])) upper++;
        var lower = upper > 1 && upper < name.Length ? upper == 2 && name.StartsWith("DType", StringComparison.Ordinal) ? 2 : upper - 1 : upper;
        return name[..lower].ToLowerInvariant() + name[lower..];
    }

    private static Type? MapValueType(Type type) => type.IsGenericType
        && (type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>) || type.GetGenericTypeDefinition() == typeof(Dictionary<,>)) && type.GetGenericArguments()[0] == typeof(string)
        ? type.GetGenericArguments()[1] : null;

    private static Type? ItemType(Type type) => type.IsArray ? type.GetElementType()
        : type.IsGenericType && type.GetGenericTypeDefinition() is var generic && (generic == typeof(IReadOnlyList<>) || generic == typeof(IReadOnlyCollection<>) || generic == typeof(IEnumerable<>))
            ? type.GetGenericArguments()[0] : null;

    private static InvalidDataException Wrong(JsonElement element, string where, string wanted)
    {
        var text = element.GetRawText().ReplaceLineEndings(" ");
        return new InvalidDataException($"{where} is {(text.Length > 60 ? text[..60] + "…" : text)}; {wanted} is wanted.");
    }
}
