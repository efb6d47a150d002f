using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Chat;
using AsFT.Torch.Safety.Evaluation;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>The answers to <see cref="SafetyPrompts"/>, list by list in their order, wherever they come from.</summary>
internal sealed record EvaluationAnswers(IReadOnlyList<string> Harmful, IReadOnlyList<string> Benign, IReadOnlyList<string> Task)
{
    /// <summary>Has all prompts answered.</summary>
    /// <param name="prompts">What to ask.</param>
    /// <param name="answer">Answers prompts in their order.</param>
    public static EvaluationAnswers Of(SafetyPrompts prompts, Func<IReadOnlyList<ChatExample>, IReadOnlyList<string>> answer) =>
        new(Ask(prompts.Harmful, answer), Ask(prompts.Benign, answer), Ask(prompts.Task, answer));

    /// <summary>Has all prompts answered by a model, and shows how far that is.</summary>
    /// <param name="run">The invocation.</param>
    /// <param name="title">Name of the work.</param>
    /// <param name="prompts">What to ask.</param>
    /// <param name="answer">Answers prompts in their order, and tells of each answer as it ends.</param>
    /// <param name="stream">Takes the answers as they come, harmful, benign, task; null: nobody does.</param>
    public static EvaluationAnswers Of(ToolRun run, string title, SafetyPrompts prompts, Func<IReadOnlyList<ChatExample>, Action<int, string>, IReadOnlyList<string>> answer, AnswerStream? stream = null)
    {
        var (done, total) = (0, prompts.Harmful.Count + prompts.Benign.Count + prompts.Task.Count);
        return ProgressDisplay.Show(run, title, display =>
        {
            display.Report(new WorkState(done, total, "prompts"));
            var before = 0;
            return Of(prompts, asked =>
            {
                var answers = answer(asked, (i, text) =>
                {
                    stream?.Add(before + i, text);
                    display.Report(new WorkState(++done, total, "prompts"));
                });
                before += asked.Count;
                return answers;
            });
        });
    }

    private static IReadOnlyList<string> Ask(IReadOnlyList<ChatExample> prompts, Func<IReadOnlyList<ChatExample>, IReadOnlyList<string>> answer) => prompts.Count == 0 ? [] : answer(prompts);
}
