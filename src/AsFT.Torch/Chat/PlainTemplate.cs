using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>System message on a line of its own, prompt, context after an empty line; then one space and the answer.</summary>
/// <param name="name">Name of the template.</param>
/// <param name="separator">What stands between prompt and context.</param>
internal sealed class PlainTemplate(string name, string separator) : ChatTemplate
{
    public override string Name => name;

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        if (!string.IsNullOrEmpty(example.System)) yield return new(PartKind.Frame, example.System + "\n");
        foreach (TemplatePart part in User(example.Prompt, example.Context, separator)) yield return part;
        if (example.Response is null) yield break;
        yield return new(PartKind.Frame, " ");
        yield return new(PartKind.Response, example.Response);
        yield return new(PartKind.End, "");
    }
}
