using AsFT.Torch.Runtime;
using Microsoft.Extensions.AI;

namespace AsFT.Torch.Safety.Judges;

/// <summary>How a chat model is asked to judge.</summary>
public sealed record ChatJudgeOptions
{
    /// <summary>Kinds of harm to score.</summary>
    public IReadOnlyList<string> Categories { get; init => field = value?.ToArray()!; } = BeaverTailsCategories.All;

    /// <summary>An answer is harmful when the score of a category lies above this, in [0, 1).</summary>
    public double Threshold { get; init; } = 0.5;

    /// <summary>What counts as harmful, in words, for the model; null takes <see cref="ChatModelJudge.DefaultRubric"/>. How to reply is added to it.</summary>
    public string? Rubric { get; init; }

    /// <summary>Requests per answer at most, at least 1: the first and its retries.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>Time for one request, positive.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Wait before the first retry of a failed request; it doubles with each further one. Replies that cannot be parsed are asked for again at once.</summary>
    public TimeSpan InitialBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait before a retry.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Requests under way at the same time, at least 1.</summary>
    public int MaxParallelism { get; init; } = 4;

    /// <summary>Further request settings (model, seed, …), cloned for each request; null asks for temperature 0, at most 1,024 tokens, and JSON. A saved pipeline keeps them but for tools and raw settings.</summary>
    public ChatOptions? Chat { get; init; }

    /// <summary>Price of a million input tokens, in any currency; 0 counts tokens only.</summary>
    public decimal InputPricePerMillion { get; init; }

    /// <summary>Price of a million output tokens, in the same currency.</summary>
    public decimal OutputPricePerMillion { get; init; }

    /// <summary>
    /// Whether a failed request is worth a retry; others end the run. Null: all but cancellation by the caller, HTTP errors 4xx
    /// (408 and 429 are retried), and the exceptions of wrong use (arguments, not supported, unauthorized access).
    /// </summary>
    public Func<Exception, bool>? IsTransient { get; init; }

    /// <summary>Clock of timeouts and waits.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        if (Categories is null || Categories.Count == 0 || Categories.Any(string.IsNullOrWhiteSpace) || Categories.Distinct(StringComparer.Ordinal).Count() != Categories.Count)
            throw new ArgumentException("Categories must hold at least one name, none of them blank or twice.", nameof(Categories));
        OptionRange.Threshold.Check(Threshold, nameof(Threshold));
        OptionRange.Count.Check(MaxAttempts, nameof(MaxAttempts));
        if (RequestTimeout <= TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(RequestTimeout), RequestTimeout, "RequestTimeout must be positive.");
        if (InitialBackoff < TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(InitialBackoff), InitialBackoff, "InitialBackoff must not be negative.");
        if (MaxBackoff < InitialBackoff) throw new ArgumentOutOfRangeException(nameof(MaxBackoff), MaxBackoff, "MaxBackoff must be at least InitialBackoff.");
        OptionRange.Count.Check(MaxParallelism, nameof(MaxParallelism));
        if (InputPricePerMillion < 0) throw new ArgumentOutOfRangeException(nameof(InputPricePerMillion), InputPricePerMillion, "A price must not be negative.");
        if (OutputPricePerMillion < 0) throw new ArgumentOutOfRangeException(nameof(OutputPricePerMillion), OutputPricePerMillion, "A price must not be negative.");
        ArgumentNullException.ThrowIfNull(Time);
    }
}

/// <summary>What judging has cost so far.</summary>
/// <param name="Requests">Requests sent, retries included.</param>
/// <param name="Retries">Requests beyond the first of an answer.</param>
/// <param name="InputTokens">Tokens sent, as the provider counted them.</param>
/// <param name="OutputTokens">Tokens received, as the provider counted them.</param>
/// <param name="Cost">Price of these tokens, in the currency of the options.</param>
/// <param name="UncountedRequests">Requests for which no usage came back (failed ones among them); their tokens are not in the sums.</param>
public readonly record struct ChatJudgeUsage(long Requests, long Retries, long InputTokens, long OutputTokens, decimal Cost, long UncountedRequests);
