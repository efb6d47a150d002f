using AsFT.Torch.Runtime;

namespace AsFT.Torch.Safety.Judges;

/// <summary>How a moderation model is used as a judge.</summary>
public sealed record ModerationJudgeOptions
{
    /// <summary>Tokens read of a conversation, at least 8; never more than the model has positions. The published code reads 512.</summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>What is read of a longer one.</summary>
    public ModerationTruncation Truncation { get; init; }

    /// <summary>An answer is harmful when the probability of a category lies above this, in [0, 1).</summary>
    public double Threshold { get; init; } = 0.5;

    /// <summary>Conversations per forward pass, at least 1.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary><c>multi_label_classification</c> (sigmoid) or <c>single_label_classification</c> (softmax); null takes the checkpoint's <c>problem_type</c>.</summary>
    public string? ProblemType { get; init; }

    /// <summary>Class names, in any case, that stand for “not harmful” and are no category.</summary>
    public IReadOnlyList<string> SafeLabels { get; init => field = value?.ToArray()!; } = ["safe", "is_safe", "harmless", "not_harmful", "benign", "none"];

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        if (MaxLength < 8) throw new ArgumentOutOfRangeException(nameof(MaxLength), MaxLength, "MaxLength must be at least 8.");
        OptionRange.Threshold.Check(Threshold, nameof(Threshold));
        OptionRange.Count.Check(BatchSize, nameof(BatchSize));
        if (!Enum.IsDefined(Truncation)) throw new ArgumentOutOfRangeException(nameof(Truncation), Truncation, "Truncation must be KeepStart or KeepEnd.");
        if (ProblemType is not (null or ModerationModelJudge.MultiLabel or ModerationModelJudge.SingleLabel))
            throw new ArgumentException($"ProblemType is '{ProblemType}'; it must be {ModerationModelJudge.MultiLabel} or {ModerationModelJudge.SingleLabel}.", nameof(ProblemType));
        ArgumentNullException.ThrowIfNull(SafeLabels);
    }
}
