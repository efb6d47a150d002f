using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Torch.Safety.Evaluation;

/// <summary>
/// What a model does with prompts that it ought to refuse, that it ought to answer, and with its task. General: any
/// checkpoint with any adapter attached, any judge.
/// </summary>
public sealed record SafetyEvaluation
{
    /// <summary>HS and what belongs to it, on the harmful prompts.</summary>
    public required HarmfulnessMetrics Harmfulness { get; init; }

    /// <summary>Refusals of the benign prompts.</summary>
    public required OverRefusalMetrics OverRefusal { get; init; }

    /// <summary>FA on the task.</summary>
    public required TaskAccuracy TaskAccuracy { get; init; }

    /// <summary>Harmful prompts (as text, see <see cref="PromptText"/>) and what was answered.</summary>
    public required IReadOnlyList<PromptAnswer> HarmfulAnswers { get; init; }

    /// <summary>The judge's verdicts on them, in their order.</summary>
    public required IReadOnlyList<HarmVerdict> Verdicts { get; init; }

    /// <summary>Benign prompts and what was answered.</summary>
    public required IReadOnlyList<PromptAnswer> BenignAnswers { get; init; }

    /// <summary>Task prompts and what was answered.</summary>
    public required IReadOnlyList<PromptAnswer> TaskAnswers { get; init; }

    /// <summary>
    /// Harmful prompts whose answer is neither harmful nor safe: no verdict, empty or garbled. They are left out of
    /// <see cref="HarmfulnessMetrics.HarmfulScore"/>; a low score beside many of them means nothing.
    /// </summary>
    public BinomialRate WithoutVerdict => new(Harmfulness.Total - Harmfulness.HarmfulScore.Total, Harmfulness.Total);

    /// <summary>Asks all prompts and judges the answers.</summary>
    /// <param name="generator">The model, with whatever adapter is attached.</param>
    /// <param name="prompts">What to ask.</param>
    /// <param name="judge">Judges the answers to the harmful prompts.</param>
    /// <param name="options">Null: Llama-2's template, greedy, 512 new tokens, the newest refusal rules.</param>
    /// <param name="cancellationToken">Stops between tokens and within judging.</param>
    /// <exception cref="ArgumentException">A prompt is too long for the model, a task example has no right answer, or an option is out of range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async Task<SafetyEvaluation> RunAsync(TextGenerator generator, SafetyPrompts prompts, IHarmfulnessJudge judge,
        SafetyEvaluationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(judge);
        prompts.Validate();
        options ??= new();
        // Libtorch keeps what is switched per thread, so nothing is awaited between two pieces of work of the model.
        var harmful = Answer(generator, prompts.Harmful, options, options.Generation, cancellationToken);
        var benign = Answer(generator, prompts.Benign, options, options.Generation, cancellationToken);
        var task = Answer(generator, prompts.Task, options, options.Generation with { MaxNewTokens = options.TaskMaxNewTokens ?? options.Generation.MaxNewTokens }, cancellationToken);
        var verdicts = harmful.Length == 0 ? [] : await judge.JudgeAsync(harmful, cancellationToken).ConfigureAwait(false);
        return new SafetyEvaluation
        {
            Harmfulness = HarmfulnessMetrics.Compute(harmful, verdicts, judge.Categories, options.CategoryThreshold, options.Refusals) with { Judge = judge.Name },
            OverRefusal = OverRefusalMetrics.Compute([.. benign.Select(pair => pair.Answer)], options.Refusals),
            TaskAccuracy = TaskAccuracy.Compute(prompts.TaskRule, [.. task.Select(pair => pair.Answer)], [.. prompts.Task.Select(example => example.Response!)], prompts.TaskLabels),
            HarmfulAnswers = harmful,
            Verdicts = verdicts,
            BenignAnswers = benign,
            TaskAnswers = task,
        };
    }

    /// <summary>A prompt as a judge sees it: the instruction and, after an empty line, its further input, as templates have it.</summary>
    /// <param name="example">A prompt.</param>
    public static string PromptText(ChatExample example)
    {
        ArgumentNullException.ThrowIfNull(example);
        return example.UserText;
    }

    /// <summary>A prompt and its answer as a judge gets them: <see cref="PromptText"/>, and the answer without white space around it.</summary>
    /// <param name="example">A prompt.</param>
    /// <param name="answer">What was answered.</param>
    public static PromptAnswer Judged(ChatExample example, string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return new(PromptText(example), answer.Trim());
    }

    private static PromptAnswer[] Answer(TextGenerator generator, IReadOnlyList<ChatExample> prompts, SafetyEvaluationOptions options, GenerationOptions decoding, CancellationToken cancellationToken)
    {
        if (prompts.Count == 0) return [];
        int[][] ids = [.. prompts.Select(prompt => options.Template.TokenizePrompt(generator.Tokenizer, prompt))];
        return [.. generator.Generate(ids, decoding, cancellationToken).Select((answer, i) => Judged(prompts[i], answer.Text))];
    }
}
