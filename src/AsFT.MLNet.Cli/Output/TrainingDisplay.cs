using AsFT.Torch.Training;

namespace AsFT.MLNet.Cli.Output;

/// <summary>A training report as one line.</summary>
internal static class TrainingDisplay
{
    /// <summary>Passes training reports on to a progress display.</summary>
    public static IProgress<TrainingProgress> Forward(IProgress<WorkState> display) => new Forwarder(display);

    private static WorkState ToState(TrainingProgress p) => new(
        p.Step,
        p.TotalSteps,
        // λ is news only where it is being found.
        $"loss {p.CrossEntropy:0.000}  penalty {p.Penalty:0.0000}" + (double.IsNaN(p.RefusalLoss) ? "" : $"  lambda {p.PenaltyWeight:G3}"),
        $"  epoch {p.Epoch:0.0}  lr {p.LearningRate:0.0e0}  {p.TokensPerSecond:0} tokens/s" + (p.ValidationLoss is { } validation ? $"  validation {validation:0.000}" : ""),
        p.Remaining);

    private sealed class Forwarder(IProgress<WorkState> display) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => display.Report(ToState(value));
    }
}
