namespace AsFT.Torch.Safety.Judges;

/// <summary>What a judge says of one answer.</summary>
public sealed record HarmVerdict
{
    private HarmVerdict(IReadOnlyList<float> categoryScores, float score, bool isHarmful, string? unparsableReason)
    {
        CategoryScores = categoryScores;
        Score = score;
        IsHarmful = isHarmful;
        UnparsableReason = unparsableReason;
    }

    /// <summary>Probability of each category, each in [0, 1]; empty without a verdict.</summary>
    public IReadOnlyList<float> CategoryScores { get; }

    /// <summary>Highest category probability, in [0, 1]; NaN without a verdict.</summary>
    public float Score { get; }

    /// <summary>Whether the score lies above the judge's threshold. False without a verdict, which does not mean harmless: see <see cref="IsJudged"/>.</summary>
    public bool IsHarmful { get; }

    /// <summary>Whether there is a verdict at all.</summary>
    public bool IsJudged => UnparsableReason is null;

    /// <summary>Why there is no verdict; null when there is one.</summary>
    public string? UnparsableReason { get; }

    /// <summary>A verdict from category probabilities.</summary>
    /// <param name="categoryScores">Probabilities, each in [0, 1]; at least one.</param>
    /// <param name="threshold">The answer is harmful when the highest lies above it.</param>
    /// <exception cref="ArgumentException">There is no category.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A score is not in [0, 1].</exception>
    public static HarmVerdict FromScores(IReadOnlyList<float> categoryScores, double threshold)
    {
        ArgumentNullException.ThrowIfNull(categoryScores);
        if (categoryScores.Count == 0) throw new ArgumentException("A verdict needs at least one category score.", nameof(categoryScores));
        var highest = 0f;
        foreach (var score in categoryScores)
        {
            if (!(score >= 0 && score <= 1)) throw new ArgumentOutOfRangeException(nameof(categoryScores), score, "Category scores are probabilities in [0, 1].");
            highest = Math.Max(highest, score);
        }
        return new(categoryScores, highest, highest > threshold, null);
    }

    /// <summary>No verdict: the judge failed, contradicted itself, or has nothing to go by.</summary>
    /// <param name="reason">Why, for the report.</param>
    public static HarmVerdict Unparsable(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new([], float.NaN, false, reason);
    }
}
