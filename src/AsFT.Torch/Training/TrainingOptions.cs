using AsFT.Torch.Runtime;

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

    /// <summary>Peak learning rate, from 1e−12 to 1e30; what diverges is told by the run.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>How the rate changes over the run.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.StepPerEpoch;

    /// <summary>Factor per epoch of <see cref="LearningRateSchedule.StepPerEpoch"/>, from 0.001 to 1.</summary>
    public double EpochDecay { get; init; } = 0.85;

    /// <summary>Share of all steps over which the rate rises in a straight line from 0, the first step's, to its peak, in [0, 1).</summary>
    public double WarmupRatio { get; init; }

    /// <summary>Steps over which the rate rises, at least 1; null: as <see cref="WarmupRatio"/> says.</summary>
    public int? WarmupSteps { get; init; }

    /// <summary>
    /// Rate at the end of <see cref="LearningRateSchedule.CosineWithMinLr"/>, <see cref="LearningRateSchedule.Polynomial"/> and
    /// <see cref="LearningRateSchedule.WarmupStableDecay"/>, at most the peak's; null: 0, or, for the polynomial, 1e−7.
    /// </summary>
    public double? MinLearningRate { get; init; }

    /// <summary>Falls of <see cref="LearningRateSchedule.CosineWithRestarts"/>, at least 1.</summary>
    public int NumCycles { get; init; } = 1;

    /// <summary>Power of <see cref="LearningRateSchedule.Polynomial"/>, from 0.01 to 100.</summary>
    public double Power { get; init; } = 1;

    /// <summary>Steps after warm-up in which <see cref="LearningRateSchedule.InverseSqrt"/> falls to 1/√2 of the peak, at least 1; null: as many as warm-up has, or 10,000 without one.</summary>
    public int? Timescale { get; init; }

    /// <summary>Steps at the end over which <see cref="LearningRateSchedule.WarmupStableDecay"/> falls, at least 1; null: a tenth of the run.</summary>
    public int? NumDecaySteps { get; init; }

    /// <summary>Whether warm-up begins with the first part of its rise instead of 0; the bundled world was made so.</summary>
    internal bool RisesAtOnce { get; init; }

    /// <summary>AdamW's decoupled weight decay, at least 0; its product with the rate must be below 1.</summary>
    public double WeightDecay { get; init; }

    /// <summary>AdamW's β₁, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's β₂, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>AdamW's ε, from 1e−30 to 1.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Largest norm of the gradient over all trained tensors, from 1e−6 to 1e30; null: not clipped.</summary>
    public double? MaxGradientNorm { get; init; }

    /// <summary>
    /// λ: weight of the penalty, 0 or from 1e−12 to 1e12. It counts once per optimizer step, however many micro-batches the step has;
    /// the published loop multiplies it by their number.
    /// </summary>
    public double PenaltyWeight { get; init; } = 1;

    /// <summary>
    /// Nats per token by which the mean cross-entropy of held-out refusals may rise above where it was when the run began,
    /// positive; 0.003 is a good first choice. When set, λ is found on the way, from <see cref="PenaltyWeight"/>: it rises
    /// fast while the refusals (<see cref="FineTuner.HeldOutRefusals"/>) are on their way to more than half of that, and falls
    /// slowly, at most to a third over the run, while they are not. Start high. <see cref="TrainingResult.Refusals"/> tells
    /// whether the run ended within the tolerance. Null: λ is fixed.
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

    /// <summary>Checks every range; <see cref="OptionRange"/> tells them and their reasons.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    public void Validate()
    {
        OptionRange.Count.Check(Epochs, nameof(Epochs));
        OptionRange.Count.Check(BatchSize, nameof(BatchSize));
        OptionRange.Count.Check(MicroBatchSize, nameof(MicroBatchSize));
        OptionRange.Count.Check(MaxSteps, nameof(MaxSteps));
        OptionRange.Count.Check(ReportEvery, nameof(ReportEvery));
        OptionRange.Count.Check(EarlyStoppingPatience, nameof(EarlyStoppingPatience));
        OptionRange.Count.Check(CheckpointEvery, nameof(CheckpointEvery));
        OptionRange.Count.Check(RefusalCheckEvery, nameof(RefusalCheckEvery));
        OptionRange.LearningRate.Check(LearningRate, nameof(LearningRate));
        OptionRange.EpochDecay.Check(EpochDecay, nameof(EpochDecay));
        OptionRange.WarmupRatio.Check(WarmupRatio, nameof(WarmupRatio));
        OptionRange.Count.Check(WarmupSteps, nameof(WarmupSteps));
        OptionRange.MinLearningRate.Check(MinLearningRate, nameof(MinLearningRate));
        if (MinLearningRate > LearningRate) throw new ArgumentOutOfRangeException(nameof(MinLearningRate), MinLearningRate, $"MinLearningRate must be at most {LearningRate}, the peak (LearningRate).");
        OptionRange.Count.Check(NumCycles, nameof(NumCycles));
        OptionRange.Power.Check(Power, nameof(Power));
        OptionRange.Count.Check(Timescale, nameof(Timescale));
        OptionRange.Count.Check(NumDecaySteps, nameof(NumDecaySteps));
        OptionRange.WeightDecay.Check(WeightDecay, nameof(WeightDecay));
        OptionRange.CheckDecay(LearningRate, WeightDecay, nameof(WeightDecay));
        OptionRange.Beta.Check(Beta1, nameof(Beta1));
        OptionRange.Beta.Check(Beta2, nameof(Beta2));
        OptionRange.Epsilon.Check(Epsilon, nameof(Epsilon));
        OptionRange.MaxGradientNorm.Check(MaxGradientNorm, nameof(MaxGradientNorm));
        OptionRange.PenaltyWeight.Check(PenaltyWeight, nameof(PenaltyWeight));
        OptionRange.RefusalTolerance.Check(RefusalTolerance, nameof(RefusalTolerance));
        if (RefusalTolerance is not null && PenaltyWeight == 0)
            throw new ArgumentOutOfRangeException(nameof(PenaltyWeight), PenaltyWeight, "PenaltyWeight must be positive where RefusalTolerance lets it change.");
        if (!Enum.IsDefined(Schedule)) throw new ArgumentOutOfRangeException(nameof(Schedule), Schedule, "Schedule must be one of " + string.Join(", ", Enum.GetNames<LearningRateSchedule>()) + ".");
        if (CheckpointEvery is not null && CheckpointFolder is null) throw new ArgumentException("CheckpointEvery needs CheckpointFolder.", nameof(CheckpointEvery));
        if (Resume && CheckpointFolder is null) throw new ArgumentException("Resume needs CheckpointFolder.", nameof(Resume));
    }
}
