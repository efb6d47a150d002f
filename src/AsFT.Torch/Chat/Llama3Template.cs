using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>
/// The format of Llama-3-Instruct: each message is <c>&lt;|start_header_id|&gt;role&lt;|end_header_id|&gt;\n\n{text}&lt;|eot_id|&gt;</c>, text stripped.
/// The answer's <c>&lt;|eot_id|&gt;</c> is supervised. A context follows the prompt after an empty line.
/// </summary>
/// <param name="name">Name of the template.</param>
/// <param name="hasBegin">Whether it writes <c>&lt;|begin_of_text|&gt;</c>, as Meta's does; else a text begins as the tokenizer says, which Llama 3's first one does not.</param>
internal sealed class Llama3Template(string name, bool hasBegin) : ChatTemplate
{
    public override string Name => name;

    private protected override bool WritesBos => hasBegin;

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        if (hasBegin) yield return new(PartKind.Special, "<|begin_of_text|>");
        if (hasBegin ? example.System is not null : !string.IsNullOrEmpty(example.System))
        {
            foreach (TemplatePart part in Header("system")) yield return part;
            yield return new(PartKind.Frame, example.System!.Trim());
            yield return new(PartKind.Special, "<|eot_id|>");
        }
        foreach (TemplatePart part in Header("user")) yield return part;
        foreach (TemplatePart part in User(example.Prompt.Trim(), example.Context?.Trim())) yield return part;
        yield return new(PartKind.Special, "<|eot_id|>");
        foreach (TemplatePart part in Header("assistant")) yield return part;
        if (example.Response is null) yield break;
        yield return new(PartKind.Response, example.Response.Trim());
        yield return new(PartKind.End, "<|eot_id|>");
    }

    private static TemplatePart[] Header(string role) =>
    [
        new(PartKind.Special, "<|start_header_id|>"),
        new(PartKind.Frame, role),
        new(PartKind.Special, "<|end_header_id|>"),
        new(PartKind.Frame, "\n\n"),
    ];
}
