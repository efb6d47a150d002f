namespace AsFT.Torch.Safety.Metrics;

/// <summary>How an answer is held against its reference.</summary>
public enum AccuracyRule
{
    /// <summary>Equal in normal form, see <see cref="AnswerRules.Normalize"/>.</summary>
    ExactMatch,

    /// <summary>The one label the answer names first, see <see cref="AnswerRules.FindLabel"/>; an ambiguous answer is wrong.</summary>
    LabelMatch,

    /// <summary>The last number, against the reference's <c>#### n</c>: GSM8K's rule, see <see cref="AnswerRules.LastNumber"/>.</summary>
    LastNumber,
}

/// <summary>FA: how many answers to a task are right.</summary>
public sealed record TaskAccuracy
{
    /// <summary>Right answers among all; an empty answer is wrong.</summary>
    public required BinomialRate Accuracy { get; init; }

    /// <summary>Answers in which the rule found nothing: empty text, no label or an ambiguous one, no number.</summary>
    public required int Unanswered { get; init; }

    /// <summary>Per answer, whether it is right.</summary>
    public required IReadOnlyList<bool> Outcomes { get; init; }

    /// <summary>Perplexity of the right answers under the model, at least 1; null where it was not measured.</summary>
    public double? Perplexity { get; init; }

    /// <summary>Scores answers.</summary>
    /// <param name="rule">How to compare.</param>
    /// <param name="answers">Generated texts.</param>
    /// <param name="references">Right answers, in their order.</param>
    /// <param name="labels">The task's labels, for <see cref="AccuracyRule.LabelMatch"/>; null takes the distinct references.</param>
    /// <exception cref="ArgumentException">The lists differ in length, a reference is no label or holds no number.</exception>
    public static TaskAccuracy Compute(AccuracyRule rule, IReadOnlyList<string> answers, IReadOnlyList<string> references, IReadOnlyList<string>? labels = null)
    {
        ArgumentNullException.ThrowIfNull(answers);
        ArgumentNullException.ThrowIfNull(references);
        if (answers.Count != references.Count)
            throw new ArgumentException($"There are {answers.Count} answers and {references.Count} references; each answer needs one.", nameof(references));
        if (rule == AccuracyRule.LabelMatch)
            labels ??= [.. references.Select(r => r?.Trim() ?? "").Distinct(StringComparer.OrdinalIgnoreCase)];
        var outcomes = new bool[answers.Count];
        var unanswered = 0;
        for (var i = 0; i < answers.Count; i++)
        {
            bool? right = rule switch
            {
                AccuracyRule.ExactMatch => Exact(answers[i], references[i]),
                AccuracyRule.LabelMatch => Label(answers[i], references[i], labels!, i),
                AccuracyRule.LastNumber => Number(answers[i], references[i], i),
                _ => throw new ArgumentOutOfRangeException(nameof(rule), rule, "Unknown accuracy rule."),
            };
            if (right is null) unanswered++;
            outcomes[i] = right == true;
        }
        return new TaskAccuracy { Accuracy = new(outcomes.Count(o => o), outcomes.Length), Unanswered = unanswered, Outcomes = outcomes };
    }

    private static bool? Exact(string answer, string reference) => string.IsNullOrWhiteSpace(answer) ? null : AnswerRules.ExactMatch(answer, reference);

    private static bool? Label(string answer, string reference, IReadOnlyList<string> labels, int row)
    {
        var expected = labels.FirstOrDefault(l => string.Equals(l.Trim(), reference?.Trim(), StringComparison.OrdinalIgnoreCase))
            ?? throw new ArgumentException($"Reference {row} is '{reference}', which is none of the labels ({string.Join(", ", labels)}).", nameof(reference));
        var found = AnswerRules.FindLabel(answer, labels);
        return found is null ? null : string.Equals(found, expected, StringComparison.OrdinalIgnoreCase);
    }

    private static bool? Number(string answer, string reference, int row)
    {
        var expected = AnswerRules.ReferenceNumber(reference)
            ?? throw new ArgumentException($"Reference {row} holds no number: '{reference}'.", nameof(reference));
        var found = AnswerRules.LastNumber(answer);
        return found is null ? null : found == expected;
    }
}

/// <summary>Perplexity of text under a model.</summary>
public static class Perplexity
{
    /// <summary>e to the mean negative log-likelihood per token.</summary>
    /// <param name="meanNegativeLogLikelihood">In nats per token, as cross-entropy is reported; 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or NaN.</exception>
    public static double FromMeanNegativeLogLikelihood(double meanNegativeLogLikelihood)
    {
        if (!(meanNegativeLogLikelihood >= 0))
            throw new ArgumentOutOfRangeException(nameof(meanNegativeLogLikelihood), meanNegativeLogLikelihood, "A mean negative log-likelihood is 0 or more.");
        return Math.Exp(meanNegativeLogLikelihood);
    }

    /// <summary>Perplexity over texts of different length: every token weighs the same.</summary>
    /// <param name="texts">Per text, the sum of negative log-likelihoods in nats and the number of tokens.</param>
    /// <exception cref="ArgumentException">There is no token.</exception>
    public static double FromTexts(IEnumerable<(double NegativeLogLikelihood, long Tokens)> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var sum = 0.0;
        long tokens = 0;
        foreach (var text in texts)
        {
            sum += text.NegativeLogLikelihood;
            tokens += text.Tokens;
        }
        if (tokens <= 0) throw new ArgumentException("Perplexity needs at least one token.", nameof(texts));
        return FromMeanNegativeLogLikelihood(sum / tokens);
    }
}
