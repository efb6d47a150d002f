using AsFT.Torch.Tokenization;

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
    /// <param name="name">One of <see cref="Names"/> (case does not matter), the name of a template in the folder, or <see cref="Auto"/>: the folder's own.</param>
    /// <exception cref="InvalidDataException">The folder's template cannot be used; says why.</exception>
    /// <exception cref="ArgumentException">There is no template of that name, or the folder has none of its own; names those that there are.</exception>
    public static ChatTemplate Load(string folder, string name = Auto)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Find(name) is { } known) return known;
        var templates = CheckpointTemplates.Read(folder);
        var isAuto = string.Equals(name, Auto, StringComparison.OrdinalIgnoreCase);
        if (templates.Find(isAuto ? CheckpointTemplates.Default : name) is { } own) return own;
        if (isAuto)
            throw new ArgumentException($"Template is {Auto}, but '{folder}' has no chat template of its own (chat_template.jinja, or chat_template in tokenizer_config.json). Name the one that the model was trained with: {string.Join(", ", Names.Concat(templates.Names))}.", nameof(name));
        throw new ArgumentException($"Template is '{name}'; there is no such chat template; known are {string.Join(", ", Names.Prepend(Auto).Concat(templates.Names).Distinct(StringComparer.Ordinal))}.", nameof(name));
    }

    /// <summary>What there is to say of a folder's templates: where they come from, their names, how an answer is found and what ends one.</summary>
    /// <param name="folder">Model folder.</param>
    /// <param name="tokenizer">Its tokenizer; null: what ends an answer is not told.</param>
    /// <exception cref="InvalidDataException">The folder's template cannot be used; says why.</exception>
    internal static string Describe(string folder, LanguageTokenizer? tokenizer)
    {
        var templates = CheckpointTemplates.Read(folder);
        var others = templates.Names.Where(name => name != CheckpointTemplates.Default).ToList();
        if (templates.Find(CheckpointTemplates.Default) is not { } own)
            return others.Count == 0 ? $"none: name one ({string.Join(", ", Names)})" : $"by name: {string.Join(", ", others)}";
        var end = tokenizer is null ? null : own.EndOfAnswer(tokenizer);
        return $"{own.File}, answers {(own.MarksAnswers ? "marked by {% generation %}" : "found by where their text goes")}, {(tokenizer is null ? "" : end is null ? "ended by no special token (cannot be trained with)" : $"ended by {end}")}"
            .TrimEnd(',', ' ') + (others.Count == 0 ? "" : $"; also by name: {string.Join(", ", others)}");
    }

    /// <summary>One of <see cref="Names"/>; null: it has no such name.</summary>
    public static ChatTemplate? Find(string name) => string.Equals(name, "chatml", StringComparison.OrdinalIgnoreCase)
        ? new CheckpointTemplate("chatml", ChatMl, new Dictionary<string, string>(), "chatml")
        : ChatTemplate.Find(name);
}
