using System.Text.Json;
using AsFT.Torch.Chat.Jinja;
using AsFT.Torch.Input;

namespace AsFT.Torch.Chat;

/// <summary>
/// The chat templates of a model folder: <c>chat_template.jinja</c>, files in <c>additional_chat_templates</c>, <c>chat_template</c> of
/// <c>tokenizer_config.json</c> (one, or a list of named ones) or of <c>chat_template.json</c>.
/// </summary>
internal sealed class CheckpointTemplates
{
    /// <summary>Name of the template that is used when none is named.</summary>
    public const string Default = "default";

    private static readonly string[] TokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private readonly string _folder;
    private readonly Dictionary<string, (string Source, string File)> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _specialTokens = new(StringComparer.Ordinal);

    private CheckpointTemplates(string folder) => _folder = folder;

    /// <summary>Names of the templates.</summary>
    public IReadOnlyCollection<string> Names => _sources.Keys;

    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static CheckpointTemplates Read(string folder)
    {
        var templates = new CheckpointTemplates(folder);
        templates.ReadFile("chat_template.jinja", Default);
        var more = Path.Combine(folder, "additional_chat_templates");
        if (Directory.Exists(more))
            foreach (var file in Directory.EnumerateFiles(more, "*.jinja").Order(StringComparer.Ordinal)) templates.ReadFile(Path.GetRelativePath(folder, file), Path.GetFileNameWithoutExtension(file));
        templates.ReadJson("special_tokens_map.json");
        templates.ReadJson("tokenizer_config.json");
        templates.ReadJson("chat_template.json");
        return templates;
    }

    /// <summary>A template by name; null: there is none of it.</summary>
    /// <exception cref="InvalidDataException">It is malformed, or uses what is not known here.</exception>
    public CheckpointTemplate? Find(string name) => _sources.TryGetValue(name, out var found)
        ? new(name, found.Source, _specialTokens, $"'{Path.Combine(_folder, found.File)}'")
        : null;

    private void ReadFile(string file, string name)
    {
        var path = Path.Combine(_folder, file);
        if (File.Exists(path)) _sources.TryAdd(name, (System.Text.Encoding.UTF8.GetString(TextInput.Read(path, 4 * JinjaLimits.Source).Span), file));
    }

    private void ReadJson(string file)
    {
        var path = Path.Combine(_folder, file);
        if (!File.Exists(path)) return;
        using var document = JsonInput.Open(path);
        var root = document.RootElement;
        foreach (var name in TokenNames)
            if (root.TryGetProperty(name, out var token) && Content(token) is { Length: > 0 } text) _specialTokens[name] = text;
        if (!root.TryGetProperty("chat_template", out var template) || template.ValueKind == JsonValueKind.Null) return;
        if (template.ValueKind == JsonValueKind.String)
        {
            _sources.TryAdd(Default, (template.GetString()!, file));
            return;
        }
        if (template.ValueKind != JsonValueKind.Array) throw new InvalidDataException($"'{path}': chat_template is neither a text nor a list of named ones.");
        foreach (var entry in template.EnumerateArray())
        {
            if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String
                || !entry.TryGetProperty("template", out var source) || source.ValueKind != JsonValueKind.String)
                throw new InvalidDataException($"'{path}': an entry of chat_template lacks its name or its template.");
            _sources.TryAdd(name.GetString()!, (source.GetString()!, file));
        }
    }

    private static string? Content(JsonElement token) => token.ValueKind switch
    {
        JsonValueKind.String => token.GetString(),
        JsonValueKind.Object when token.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String => content.GetString(),
        _ => null,
    };
}
