using AsFT.Torch.Safety.Judges;

namespace AsFT.MLNet.Scoring;

/// <summary>Joins prompt and response to the one text that a classifier reads.</summary>
internal static class ClassifierText
{
    public const string Prompt = "{prompt}";
    public const string Response = "{response}";

    /// <summary>Fills a format; marks inside the prompt or the response are left as they are.</summary>
    public static string Fill(string format, PromptAnswer pair) =>
        string.Join(pair.Prompt, format.Split(Prompt).Select(part => part.Replace(Response, pair.Answer, StringComparison.Ordinal)));
}
