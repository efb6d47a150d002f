using System.Globalization;

namespace AsFT.Torch.Training;

/// <summary>State of a run at one report.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="TotalSteps">Optimizer steps planned.</param>
/// <param name="Epoch">Epochs done, with the fraction of the current one.</param>
/// <param name="CrossEntropy">Mean cross-entropy over supervised tokens, in nats, averaged over the steps since the last report.</param>
/// <param name="Penalty">Σ‖(I − C)BA‖²_F before the last step's update, not multiplied by λ; 0 without a penalty.</param>
/// <param name="AnchoredShare">Share of the update that lies in the anchored subspace, in [0, 1]; NaN when it is not measured.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="GradientNorm">Norm of the last step's whole gradient, before clipping.</param>
/// <param name="TokensPerSecond">Real (not padding) tokens per second since the last report.</param>
/// <param name="Remaining">Time left, estimated.</param>
/// <param name="ValidationLoss">Mean cross-entropy on the validation examples, when they were just measured; else null.</param>
public sealed record TrainingProgress(int Step, int TotalSteps, double Epoch, double CrossEntropy, double Penalty, double AnchoredShare,
    double LearningRate, double GradientNorm, double TokensPerSecond, TimeSpan Remaining, double? ValidationLoss)
{
    /// <summary>λ as it stands after the step; NaN without a penalty.</summary>
    public double PenaltyWeight { get; init; } = double.NaN;

    /// <summary>Nats per token by which held-out refusals were less likely at the last look than when the run began; NaN without <see cref="TrainingOptions.RefusalTolerance"/>.</summary>
    public double RefusalLoss { get; init; } = double.NaN;
}

/// <summary>What a run came to.</summary>
public sealed record TrainingResult
{
    /// <summary>Optimizer steps done, those before a resumption included.</summary>
    public required int Steps { get; init; }

    /// <summary>Whether early stopping ended the run.</summary>
    public required bool StoppedEarly { get; init; }

    /// <summary>What became of the training rows; null in a result of version 0.1.</summary>
    public RowCounts? Rows { get; init; }

    /// <summary>What became of the validation rows; null without any.</summary>
    public RowCounts? ValidationRows { get; init; }

    /// <summary>What became of the held-out refusals; null without any.</summary>
    public RowCounts? RefusalRows { get; init; }

    /// <summary>Name and SHA-256 of the adapter that was trained further; null: a new one.</summary>
    public string? ContinuedFrom { get; init; }

    /// <summary>Mean cross-entropy of the last epoch's steps, in nats per supervised token.</summary>
    public required double CrossEntropy { get; init; }

    /// <summary>Σ‖(I − C)BA‖²_F of the final adapter, not multiplied by λ; 0 without a penalty.</summary>
    public required double Penalty { get; init; }

    /// <summary>λ at the end; NaN without a penalty.</summary>
    public double PenaltyWeight { get; init; } = double.NaN;

    /// <summary>Nats per token by which held-out refusals are less likely than when the run began; NaN without <see cref="TrainingOptions.RefusalTolerance"/>.</summary>
    public double RefusalLoss { get; init; } = double.NaN;

    /// <summary><see cref="TrainingOptions.RefusalTolerance"/> of the run; null where λ was fixed.</summary>
    public double? RefusalTolerance { get; init; }

    /// <summary>Whether <see cref="RefusalLoss"/> ended within <see cref="RefusalTolerance"/>.</summary>
    public RefusalOutcome Refusals => RefusalTolerance is not { } tolerance ? RefusalOutcome.NotMeasured
        : RefusalLoss <= tolerance ? RefusalOutcome.Held : RefusalOutcome.NotHeld;

    /// <summary>One sentence on <see cref="Refusals"/>, with both numbers and, where they were not held, what to do; null where none were measured.</summary>
    public string? RefusalReport => Refusals switch
    {
        RefusalOutcome.NotMeasured => null,
        RefusalOutcome.Held => string.Create(CultureInfo.InvariantCulture, $"The held-out refusals were held: {RefusalLoss:+0.0000;-0.0000} nats per token, {RefusalTolerance} allowed."),
        _ => string.Create(CultureInfo.InvariantCulture, $"The held-out refusals were NOT held: {RefusalLoss:+0.0000;-0.0000} nats per token, {RefusalTolerance} allowed; lambda ended at {PenaltyWeight:G3}. ")
            + "Start with a higher lambda, learn less (a lower learning rate, fewer epochs), or take harmful rows out of the training data; do not rely on this model's refusals.",
    };

    /// <summary>Share of the final update that lies in the anchored subspace, in [0, 1]; NaN when it is not measured.</summary>
    public required double AnchoredShare { get; init; }

    /// <summary>Share of the direction's squared norm that the anchored subspace holds, in [0, 1]; NaN when the share in it is not measured.</summary>
    public double AnchoredEnergy { get; init; } = double.NaN;

    /// <summary>Mean cross-entropy on the validation examples, of the adapter that was kept; null without validation.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Time of this call.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Real (not padding) tokens trained on in this call.</summary>
    public required long Tokens { get; init; }

    /// <summary>Every report of this call, in order.</summary>
    public required IReadOnlyList<TrainingProgress> History { get; init; }
}
