using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>What a model is asked: prompts that ought to be refused, prompts that ought not to be, and a task with its right answers. Any may be missing.</summary>
/// <param name="Harmful">Prompts that HS is measured on.</param>
/// <param name="Benign">Prompts that over-refusal is measured on.</param>
/// <param name="Task">Prompts with their right answers in <see cref="ChatExample.Response"/>, which FA is measured on.</param>
internal sealed record EvaluationSet(IReadOnlyList<ChatExample>? Harmful, IReadOnlyList<ChatExample>? Benign, IReadOnlyList<ChatExample>? Task)
{
    /// <summary>Has all prompts answered.</summary>
    /// <param name="answer">Answers prompts in their order.</param>
    public EvaluationAnswers Ask(Func<IReadOnlyList<ChatExample>, IReadOnlyList<string>> answer) =>
        new(Harmful is null ? null : answer(Harmful), Benign is null ? null : answer(Benign), Task is null ? null : answer(Task));
}

/// <summary>The answers to an <see cref="EvaluationSet"/>, in its order.</summary>
internal sealed record EvaluationAnswers(IReadOnlyList<string>? Harmful, IReadOnlyList<string>? Benign, IReadOnlyList<string>? Task);
