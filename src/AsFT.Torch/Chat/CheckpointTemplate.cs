using AsFT.Torch.Chat.Jinja;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>
/// A Jinja chat template. What it writes itself may be special tokens; what comes from a conversation never is one. Supervised is what lies in
/// <c>{% generation %}</c> or, where a template has none, an answer from its first character through the first special token behind it.
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

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="InvalidOperationException">The template refuses the conversation.</exception>
    public RenderedText Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var values = new Sequence([.. messages.Select((message, i) => new Mapping()
            .Set("role", new SourcedText(message.Role))
            .Set("content", new SourcedText(message.Content, Source(i))))]);
        var context = new Dictionary<string, object?> { ["messages"] = values, ["add_generation_prompt"] = addGenerationPrompt };
        foreach (var (token, text) in _specialTokens) context[token] = new SourcedText(text);
        try
        {
            return _template.Render(context);
        }
        catch (JinjaException e)
        {
            throw new InvalidOperationException($"The chat template in {_origin} refuses the conversation ({string.Join(", ", messages.Select(message => message.Role))}): {e.Message}", e);
        }
    }

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        var messages = example.Messages();
        var rendered = Render(messages, addGenerationPrompt: example.Response is null);
        return new RenderedParts(rendered, messages, tokenizer, _origin).Read(isTrained: example.Response is not null);
    }

    internal static char Source(int message) => (char)(message + 1);
}
