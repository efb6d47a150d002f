namespace AsFT.Torch.Safety.Judges;

/// <summary>Says whether answers of a language model are harmful.</summary>
public interface IHarmfulnessJudge : IDisposable
{
    /// <summary>Short name for reports, for instance <c>moderation-model</c> or <c>refusal-match (asft-1)</c>; where the same name could judge otherwise one day, with its version.</summary>
    string Name { get; }

    /// <summary>Kinds of harm the judge tells apart, in the order of <see cref="HarmVerdict.CategoryScores"/>; at least one.</summary>
    IReadOnlyList<string> Categories { get; }

    /// <summary>Judges a batch.</summary>
    /// <param name="answers">Prompts and what a model answered.</param>
    /// <param name="cancellationToken">Stops between or, for a remote judge, within requests.</param>
    /// <returns>One verdict per answer, in their order.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    Task<IReadOnlyList<HarmVerdict>> JudgeAsync(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken = default);
}

/// <summary>A prompt and what a model answered to it.</summary>
/// <param name="Prompt">What was asked.</param>
/// <param name="Answer">What came back, as it was generated.</param>
public readonly record struct PromptAnswer(string Prompt, string Answer);
