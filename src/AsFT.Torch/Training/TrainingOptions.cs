namespace AsFT.Torch.Training;

/// <summary>Options of a fine-tuning run; the defaults are the published code's.</summary>
public sealed record TrainingOptions
{
    /// <summary>Passes over the examples, at least 1.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Examples per optimizer step, at least 1. The last step of an epoch takes what is left.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Examples per forward pass; null: the whole batch. Smaller values accumulate gradients and give the same step in less memory.</summary>
    public int? MicroBatchSize { get; init; }

    /// <summary>
    /// Whether a forward pass keeps each layer's input only and computes the layer again for its gradient: activations of one
    /// layer instead of all, for about a third more time. The step is the same, dropout masks included: bit by bit on a CPU.
    /// </summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>Optimizer steps at most; null: all epochs.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Peak learning rate, positive.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>How the rate changes over the run.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.StepPerEpoch;

    /// <summary>Factor per epoch of <see cref="LearningRateSchedule.StepPerEpoch"/>, in (0, 1].</summary>
    public double EpochDecay { get; init; } = 0.85;

    /// <summary>Share of all steps over which the rate rises in a straight line to its peak, in [0, 1).</summary>
    public double WarmupRatio { get; init; }

    /// <summary>AdamW's decoupled weight decay, at least 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>AdamW's β₁, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's β₂, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>AdamW's ε, positive.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Largest norm of the gradient over all trained tensors, positive; null: not clipped.</summary>
    public double? MaxGradientNorm { get; init; }

    /// <summary>
    /// λ: weight of the penalty, at least 0. It counts once per optimizer step, however many micro-batches the step has;
    /// the published loop multiplies it by their number.
    /// </summary>
    public double PenaltyWeight { get; init; } = 1;

    /// <summary>
    /// Nats per token by which the mean cross-entropy of held-out refusals may rise above where it was when the run began,
    /// positive; 0.003 is a good first choice. When set, λ is found on the way, from <see cref="PenaltyWeight"/>: it rises
    /// fast while the refusals (<see cref="FineTuner.HeldOutRefusals"/>) are less likely than that, and falls slowly, at
    /// most to a third over the run, while they are more likely. Start high. Null: λ is fixed.
    /// </summary>
    public double? RefusalTolerance { get; init; }

    /// <summary>Optimizer steps between two looks at the held-out refusals, at least 1; each costs a forward pass over them. Null: 32 looks a run.</summary>
    public int? RefusalCheckEvery { get; init; }

    /// <summary>Whether each epoch goes over the examples in a new random order; otherwise they stay in the order given.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Whether shuffled batches hold examples of similar length, so that little is padding. Has no effect without <see cref="Shuffle"/>.</summary>
    public bool GroupByLength { get; init; } = true;

    /// <summary>Seed of the order of examples.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Progress is reported, and the host waits for the device, after the first step and every so many, at least 1.</summary>
    public int ReportEvery { get; init; } = 10;

    /// <summary>
    /// Whether reports tell the share of the update inside the anchored subspace. Its first use decomposes every direction,
    /// which takes seconds per 4096-wide layer on a CPU.
    /// </summary>
    public bool MeasureAnchoredShare { get; init; } = true;

    /// <summary>Epochs without a better validation loss before the run stops and goes back to the best adapter, at least 1; null: never.</summary>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>Folder for training checkpoints; null: none are written.</summary>
    public string? CheckpointFolder { get; init; }

    /// <summary>Optimizer steps between checkpoints, at least 1; null: one at the end of each epoch.</summary>
    public int? CheckpointEvery { get; init; }

    /// <summary>Whether to go on from the checkpoint in <see cref="CheckpointFolder"/>, when there is one.</summary>
    public bool Resume { get; init; }

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    public void Validate()
    {
        AtLeastOne(Epochs, nameof(Epochs));
        AtLeastOne(BatchSize, nameof(BatchSize));
        AtLeastOne(MicroBatchSize, nameof(MicroBatchSize));
        AtLeastOne(MaxSteps, nameof(MaxSteps));
        AtLeastOne(ReportEvery, nameof(ReportEvery));
        AtLeastOne(EarlyStoppingPatience, nameof(EarlyStoppingPatience));
        AtLeastOne(CheckpointEvery, nameof(CheckpointEvery));
        AtLeastOne(RefusalCheckEvery, nameof(RefusalCheckEvery));
        Require(LearningRate > 0, LearningRate, nameof(LearningRate), "a positive number");
        Require(EpochDecay is > 0 and <= 1, EpochDecay, nameof(EpochDecay), "in (0, 1]");
        Require(WarmupRatio is >= 0 and < 1, WarmupRatio, nameof(WarmupRatio), "in [0, 1)");
        Require(WeightDecay >= 0, WeightDecay, nameof(WeightDecay), "at least 0");
        Require(Beta1 is >= 0 and < 1, Beta1, nameof(Beta1), "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, Beta2, nameof(Beta2), "in [0, 1)");
        Require(Epsilon > 0, Epsilon, nameof(Epsilon), "a positive number");
        Require(MaxGradientNorm is null or > 0, MaxGradientNorm ?? 0, nameof(MaxGradientNorm), "a positive number, or null");
        Require(PenaltyWeight >= 0, PenaltyWeight, nameof(PenaltyWeight), "λ, a number of at least 0");
        Require(RefusalTolerance is null or > 0, RefusalTolerance ?? 0, nameof(RefusalTolerance), "a positive number, or null");
        Require(RefusalTolerance is null || PenaltyWeight > 0, PenaltyWeight, nameof(PenaltyWeight), "positive where RefusalTolerance lets it change");
        if (!Enum.IsDefined(Schedule)) throw new ArgumentOutOfRangeException(nameof(Schedule), Schedule, "Schedule must be one of " + string.Join(", ", Enum.GetNames<LearningRateSchedule>()) + ".");
        if (CheckpointEvery is not null && CheckpointFolder is null) throw new ArgumentException("CheckpointEvery needs CheckpointFolder.", nameof(CheckpointEvery));
        if (Resume && CheckpointFolder is null) throw new ArgumentException("Resume needs CheckpointFolder.", nameof(Resume));
    }

    private static void AtLeastOne(int? value, string name) => Require(value is null or >= 1, value ?? 0, name, "at least 1");

    // NaN fails every comparison, so it is refused wherever a range is asked for; infinity is refused here.
    private static void Require(bool holds, double value, string name, string wanted)
    {
        if (!holds || double.IsInfinity(value)) throw new ArgumentOutOfRangeException(name, value, $"{name} must be {wanted}.");
    }
}
