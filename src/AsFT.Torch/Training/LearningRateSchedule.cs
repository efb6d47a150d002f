namespace AsFT.Torch.Training;

/// <summary>How the learning rate changes over a run, after warm-up; all but <see cref="StepPerEpoch"/> to the step as in transformers, by its names.</summary>
public enum LearningRateSchedule
{
    /// <summary>The peak rate throughout.</summary>
    Constant,

    /// <summary>Falls in a straight line to 0 at the end.</summary>
    Linear,

    /// <summary>Falls along half a cosine to 0 at the end.</summary>
    Cosine,

    /// <summary>Multiplied by <see cref="TrainingOptions.EpochDecay"/> after each epoch; the published code.</summary>
    StepPerEpoch,

    /// <summary>Falls along half a cosine to 0, <see cref="TrainingOptions.NumCycles"/> times, from the peak each time.</summary>
    CosineWithRestarts,

    /// <summary>Falls along half a cosine to <see cref="TrainingOptions.MinLearningRate"/> at the end.</summary>
    CosineWithMinLr,

    /// <summary>Falls to <see cref="TrainingOptions.MinLearningRate"/> with the <see cref="TrainingOptions.Power"/> of what is left of the run.</summary>
    Polynomial,

    /// <summary>Falls with the root of the steps: 1/√(1 + s/<see cref="TrainingOptions.Timescale"/>) of the peak, s steps after warm-up.</summary>
    InverseSqrt,

    /// <summary>The peak rate until the last <see cref="TrainingOptions.NumDecaySteps"/>, over which it falls along half a cosine to <see cref="TrainingOptions.MinLearningRate"/>.</summary>
    WarmupStableDecay,
}

/// <summary>The learning rate of each step.</summary>
internal static class LearningRate
{
    /// <summary>Steps over which <see cref="LearningRateSchedule.InverseSqrt"/> falls to 1/√2 where there is no warm-up to tell.</summary>
    private const int DefaultTimescale = 10_000;

    /// <summary>Where <see cref="LearningRateSchedule.Polynomial"/> ends unless told.</summary>
    private const double PolynomialEnd = 1e-7;

    /// <param name="options">Peak rate and schedule.</param>
    /// <param name="step">Steps done before this one.</param>
    /// <param name="totalSteps">Steps of the whole run.</param>
    /// <param name="stepsPerEpoch">Steps of one epoch.</param>
    public static double At(TrainingOptions options, int step, int totalSteps, int stepsPerEpoch)
    {
        var warmup = options.WarmupSteps ?? (int)Math.Ceiling(options.WarmupRatio * totalSteps);
        var least = (options.MinLearningRate ?? 0) / options.LearningRate;
        if (step < warmup)
        {
            var risen = step + (options.RisesAtOnce ? 1 : 0);
            return options.Schedule == LearningRateSchedule.WarmupStableDecay ? options.LearningRate * Above(least, (double)risen / warmup) : options.LearningRate * risen / warmup;
        }
        var since = step - warmup;
        // From 0 to below 1 over the steps after warm-up.
        var done = (double)since / Math.Max(1, totalSteps - warmup);
        var decay = options.NumDecaySteps ?? (int)Math.Ceiling(totalSteps / 10.0);
        return options.LearningRate * options.Schedule switch
        {
            LearningRateSchedule.Linear => 1 - done,
            LearningRateSchedule.Cosine => HalfCosine(done),
            LearningRateSchedule.StepPerEpoch => Math.Pow(options.EpochDecay, step / stepsPerEpoch),
            LearningRateSchedule.CosineWithRestarts => HalfCosine(options.NumCycles * done % 1),
            LearningRateSchedule.CosineWithMinLr => Above(least, HalfCosine(done)),
            LearningRateSchedule.Polynomial => Above((options.MinLearningRate ?? Math.Min(PolynomialEnd, options.LearningRate)) / options.LearningRate, Math.Pow(1 - done, options.Power)),
            LearningRateSchedule.InverseSqrt => 1 / Math.Sqrt(1 + (double)since / (options.Timescale ?? (warmup > 0 ? warmup : DefaultTimescale))),
            LearningRateSchedule.WarmupStableDecay => Above(least, HalfCosine(Math.Max(0, step - Math.Max(warmup, totalSteps - decay)) / (double)decay)),
            _ => 1,
        };
    }

    private static double HalfCosine(double done) => (1 + Math.Cos(Math.PI * done)) / 2;

    private static double Above(double least, double share) => least + (1 - least) * share;
}
