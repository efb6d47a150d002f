using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>The answers to <see cref="SafetyPrompts"/>, list by list in their order, wherever they come from.</summary>
internal sealed record EvaluationAnswers(IReadOnlyList<string> Harmful, IReadOnlyList<string> Benign, IReadOnlyList<string> Task)
{
    /// <summary>Has all prompts answered.</summary>
    /// <param name="prompts">What to ask.</param>
    /// <param name="answer">Answers prompts in their order.</param>
    public static EvaluationAnswers Of(SafetyPrompts prompts, Func<IReadOnlyList<ChatExample>, IReadOnlyList<string>> answer) =>
        new(Ask(prompts.Harmful, answer), Ask(prompts.Benign, answer), Ask(prompts.Task, answer));

    private static IReadOnlyList<string> Ask(IReadOnlyList<ChatExample> prompts, Func<IReadOnlyList<ChatExample>, IReadOnlyList<string>> answer) => prompts.Count == 0 ? [] : answer(prompts);
}
