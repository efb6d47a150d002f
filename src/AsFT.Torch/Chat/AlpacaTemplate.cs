using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>
/// The format of Stanford Alpaca, answer directly after <c>### Response:</c> as in its training code, EOS at the end.
/// A system message takes the place of the sentence that describes the task.
/// </summary>
internal sealed class AlpacaTemplate : ChatTemplate
{
    private const string WithInput =
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        + "Write a response that appropriately completes the request.";

    private const string WithoutInput =
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.";

    public override string Name => "alpaca";

    private protected override IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example)
    {
        bool input = !string.IsNullOrWhiteSpace(example.Context);
        string preamble = !string.IsNullOrEmpty(example.System) ? example.System : input ? WithInput : WithoutInput;
        yield return new(PartKind.Frame, preamble + "\n\n### Instruction:\n");
        foreach (TemplatePart part in User(example.Prompt, example.Context, ChatExample.ContextSeparator + "### Input:\n")) yield return part;
        yield return new(PartKind.Frame, "\n\n### Response:");
        if (example.Response is null) yield break;
        yield return new(PartKind.Response, example.Response);
        yield return new(PartKind.End, "");
    }
}
