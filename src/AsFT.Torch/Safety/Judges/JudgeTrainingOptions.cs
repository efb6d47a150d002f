using AsFT.Torch.Adapters;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Training;

namespace AsFT.Torch.Safety.Judges;

/// <summary>How a judge is trained.</summary>
internal sealed record JudgeTrainingOptions
{
    /// <summary>
    /// Epochs, batches, learning rate, schedule, clipping and seed. Penalty, early stopping and training checkpoints are not
    /// part of this run.
    /// </summary>
    public TrainingOptions Training { get; init; } = new()
    {
        Epochs = 3,
        BatchSize = 16,
        LearningRate = 2e-4,
        Schedule = LearningRateSchedule.Cosine,
        WarmupRatio = 0.03,
        MaxGradientNorm = 1,
    };

    /// <summary>LoRA on the decoder's linear layers, merged into the weights at the end; null trains the head alone.</summary>
    public LoraOptions? Lora { get; init; } = new() { Rank = 8, Alpha = 16, TargetModules = ["all-linear"] };

    /// <summary>Categories in the order of the head; null takes those of the examples, in the order in which they first appear.</summary>
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>Tokens read of a conversation, at least 8; the judge should read as many.</summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>What is done with conversations that have more tokens than <see cref="MaxLength"/>; what is cut or dropped is counted in <see cref="JudgeTrainingResult.Rows"/>.</summary>
    public OverlongRows Overlong { get; init; }

    /// <summary>Whether an example without an answer, or whose prompt alone fills <see cref="MaxLength"/>, is an error instead of being left out.</summary>
    public bool StrictRows { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Training);
        Training.Validate();
        Lora?.Validate();
        if (!Enum.IsDefined(Overlong)) throw new ArgumentOutOfRangeException(nameof(Overlong), Overlong, $"Overlong must be one of {string.Join(", ", Enum.GetNames<OverlongRows>())}.");
        if (MaxLength < 8) throw new ArgumentOutOfRangeException(nameof(MaxLength), MaxLength, "MaxLength must be at least 8.");
        if (Training.EarlyStoppingPatience is not null || Training.CheckpointFolder is not null || Training.CheckpointEvery is not null)
            throw new ArgumentException("A judge is trained without early stopping and training checkpoints; leave EarlyStoppingPatience, CheckpointFolder and CheckpointEvery unset.", nameof(Training));
        if (Categories is not null && (Categories.Count == 0 || Categories.Any(string.IsNullOrWhiteSpace) || Categories.Distinct(StringComparer.Ordinal).Count() != Categories.Count))
            throw new ArgumentException("Categories must hold at least one name, none of them blank or twice.", nameof(Categories));
    }
}

/// <summary>State of a judge's training at one step.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="TotalSteps">Optimizer steps planned.</param>
/// <param name="Epoch">Epochs done, with the fraction of the current one.</param>
/// <param name="Loss">Mean binary cross-entropy over examples and categories since the last report, in nats.</param>
/// <param name="LearningRate">Rate of this step.</param>
/// <param name="GradientNorm">Norm of the gradient before clipping.</param>
public sealed record JudgeTrainingProgress(int Step, int TotalSteps, double Epoch, double Loss, double LearningRate, double GradientNorm);

/// <summary>What a judge's training came to.</summary>
public sealed record JudgeTrainingResult
{
    /// <summary>Optimizer steps done.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean binary cross-entropy since the report before the last, in nats.</summary>
    public required double Loss { get; init; }

    /// <summary>Categories in the order of the head.</summary>
    public required IReadOnlyList<string> Categories { get; init; }

    /// <summary>Training examples left out; <see cref="Rows"/> tells why.</summary>
    public required int Skipped { get; init; }

    /// <summary>What became of the training examples; null in a result of version 0.1.</summary>
    public RowCounts? Rows { get; init; }

    /// <summary>What became of the validation examples; null without any.</summary>
    public RowCounts? ValidationRows { get; init; }

    /// <summary>Mean binary cross-entropy on the validation examples at the end; null without any.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Validation examples whose flag (any category above 0.5) is right; null without any.</summary>
    public BinomialRate? ValidationAccuracy { get; init; }

    /// <summary>Time taken.</summary>
    public required TimeSpan Duration { get; init; }
}
