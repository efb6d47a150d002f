using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>
/// The format of Llama-2-Chat, as in Meta's reference code: <c>[INST] &lt;&lt;SYS&gt;&gt;\n{system}\n&lt;&lt;/SYS&gt;&gt;\n\n{prompt} [/INST] {answer} </c>,
/// prompt and answer stripped, with BOS before and EOS after. The space before EOS is part of the format and supervised with the answer;
/// a prompt to be answered ends with <c>[/INST]</c>, since the space after it belongs to the answer's first token.
/// A context follows the prompt after an empty line.
/// </summary>
internal sealed class Llama2Template : ChatTemplate
{
    public override string Name => "llama2";

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        yield return new(PartKind.Frame, "[INST] ");
        if (!string.IsNullOrEmpty(example.System)) yield return new(PartKind.Frame, $"<<SYS>>\n{example.System}\n<</SYS>>\n\n");
        foreach (TemplatePart part in User(example.Prompt.Trim(), example.Context?.Trim())) yield return part;
        yield return new(PartKind.Frame, " [/INST]");
        if (example.Response is null) yield break;
        yield return new(PartKind.Frame, " ");
        yield return new(PartKind.Response, example.Response.Trim() + " ");
        yield return new(PartKind.End, "");
    }
}
