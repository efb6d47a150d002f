namespace AsFT.Torch.Generation;

/// <summary>One answer.</summary>
/// <param name="Text">Decoded text, without the prompt, special tokens and stop string, and without white space around it, which is the template's.</param>
/// <param name="Ids">Generated token ids, EOS excluded; those that make up a stop string are still among them.</param>
/// <param name="FinishReason"><c>stop</c> (EOS or stop string) or <c>length</c>.</param>
public sealed record Generation(string Text, IReadOnlyList<int> Ids, string FinishReason)
{
    /// <summary>Whether the answer had not ended when it had all the tokens it might have.</summary>
    internal bool IsCut => FinishReason == "length";
}
