namespace AsFT.Torch.Chat;

/// <summary>Finds the chat template of a model: the one that lies in its folder, or one by name.</summary>
public static class ChatTemplates
{
    private const string ChatMl = """
        {%- for message in messages %}
        {{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|im_start|>assistant\n' }}
        {%- endif %}
        """;

    /// <summary>Names of the templates that need no checkpoint.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. ChatTemplate.Names, "chatml"];

    /// <summary>Stands for the template that lies in the model's folder.</summary>
    public const string Auto = "auto";

    /// <summary>A template for the model in a folder.</summary>
    /// <param name="folder">Model folder.</param>
    /// <param name="name">One of <see cref="Names"/> (case does not matter), the name of a template in the folder, or <see cref="Auto"/>: the folder's own, or llama2 where it has none.</param>
    /// <param name="warn">Told when llama2 is taken because the folder has no template.</param>
    /// <exception cref="InvalidDataException">The folder's template cannot be used; says why.</exception>
    /// <exception cref="ArgumentException">There is no template of that name.</exception>
    public static ChatTemplate Load(string folder, string name = Auto, Action<string>? warn = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Find(name) is { } known) return known;
        var templates = CheckpointTemplates.Read(folder);
        var isAuto = string.Equals(name, Auto, StringComparison.OrdinalIgnoreCase);
        if (templates.Find(isAuto ? CheckpointTemplates.Default : name) is { } own) return own;
        if (isAuto)
        {
            warn?.Invoke($"'{folder}' has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json), so llama2 is taken; name another where that is wrong: {string.Join(", ", Names.Concat(templates.Names))}.");
            return ChatTemplate.Llama2;
        }
        throw new ArgumentException($"Template is '{name}'; there is no such chat template; known are {string.Join(", ", Names.Prepend(Auto).Concat(templates.Names).Distinct(StringComparer.Ordinal))}.", nameof(name));
    }

    /// <summary>One of <see cref="Names"/>; null: it has no such name.</summary>
    public static ChatTemplate? Find(string name) => string.Equals(name, "chatml", StringComparison.OrdinalIgnoreCase)
        ? new CheckpointTemplate("chatml", ChatMl, new Dictionary<string, string>(), "chatml")
        : ChatTemplate.Find(name);
}
