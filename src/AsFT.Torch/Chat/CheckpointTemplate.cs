using AsFT.Torch.Chat.Jinja;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>
/// A Jinja chat template. What it writes itself may be special tokens; what comes from a conversation never is one. Supervised is an answer from its
/// first character through the first special token behind it; of that, what lies in <c>{% generation %}</c> where a template has it.
/// </summary>
internal sealed class CheckpointTemplate : ChatTemplate
{
    private readonly JinjaTemplate _template;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;
    private readonly string _origin;

    /// <param name="name">Name by which the template is found again.</param>
    /// <param name="source">The template.</param>
    /// <param name="specialTokens">Tokens that it may write by name: <c>bos_token</c>, <c>eos_token</c> and their like.</param>
    /// <param name="origin">Where it comes from, for errors.</param>
    /// <exception cref="InvalidDataException">The template is malformed, or uses what is not known here.</exception>
    public CheckpointTemplate(string name, string source, IReadOnlyDictionary<string, string> specialTokens, string origin)
    {
        (Name, _specialTokens, _origin) = (name, specialTokens, origin);
        try
        {
            _template = JinjaTemplate.Parse(source);
        }
        catch (JinjaException e)
        {
            throw new InvalidDataException($"The chat template in {origin} cannot be used: {e.Message}", e);
        }
    }

    public override string Name { get; }

    private protected override bool WritesBos => true;

    private protected override bool TakesTurns => true;

    /// <summary>Name of the file that the template lies in.</summary>
    public string File => Path.GetFileName(_origin.Trim('\''));

    /// <summary>Whether the template itself marks what is supervised (<c>{% generation %}</c>).</summary>
    public bool MarksAnswers => _template.MarksAnswers;

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="RefusedConversationException">The template refuses the conversation.</exception>
    public RenderedText Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        try
        {
            return RenderOnly(messages, addGenerationPrompt);
        }
        catch (JinjaException e)
        {
            var others = messages.Where(message => message.Role != ChatMessage.SystemRole).ToArray();
            var isOfSystem = others.Length < messages.Count && TryRender(others, addGenerationPrompt) is not null;
            throw new RefusedConversationException($"The chat template in {_origin} refuses {(isOfSystem ? "the system message of " : "")}the conversation ({string.Join(", ", messages.Select(message => message.Role))}): {e.Message}", isOfSystem, e);
        }
    }

    /// <summary>The token that ends an answer; null: none does.</summary>
    public string? EndOfAnswer(LanguageTokenizer tokenizer)
    {
        try
        {
            return Layout(tokenizer, new ChatExample("question", "answer")).LastOrDefault(part => part.Kind == PartKind.End) is { Text.Length: > 0 } end ? end.Text : null;
        }
        catch (RefusedConversationException)
        {
            return null;
        }
    }

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        var messages = example.Messages();
        var rendered = Render(messages, addGenerationPrompt: example.Response is null);
        var parts = new RenderedParts(rendered, messages, tokenizer, _origin);
        if (example.Response is null) return parts.Read(null, _ => null);
        if (rendered.Generated.Count == 0 && !parts.IsEnded) parts = parts.Ended(TryRender([.. messages, new(ChatMessage.UserRole, "…")], addGenerationPrompt: false));
        return parts.Read(example.Supervised, answer => TryRender([.. messages.Take(answer)], addGenerationPrompt: true)?.Text);
    }

    private RenderedText RenderOnly(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var values = new Sequence([.. messages.Select((message, i) => new Mapping()
            .Set("role", new SourcedText(message.Role))
            .Set("content", new SourcedText(message.Content, Source(i))))]);
        var context = new Dictionary<string, object?> { ["messages"] = values, ["add_generation_prompt"] = addGenerationPrompt };
        foreach (var (token, text) in _specialTokens) context[token] = new SourcedText(text);
        return _template.Render(context);
    }

    // Null where the template refuses.
    private RenderedText? TryRender(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        try
        {
            return RenderOnly(messages, addGenerationPrompt);
        }
        catch (JinjaException)
        {
            return null;
        }
    }

    internal static char Source(int message) => (char)(message + 1);
}
