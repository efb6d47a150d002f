using System.Reflection;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Cli;

/// <summary>What <c>training.json</c> holds.</summary>
internal sealed record TrainingRecord(IReadOnlyDictionary<string, object?> Options, TrainingRecord.Summary Result, IReadOnlyList<TrainingProgress> History)
{
    public static TrainingRecord Of(AsftFineTuneOptions options, TrainingResult result) => new(Plain(options.WithoutPlaces()), Summary.Of(result), result.History);

    // The options without what lives only in this process, and without where things lie on this machine.
    private static Dictionary<string, object?> Plain(AsftFineTuneOptions options) => typeof(AsftFineTuneOptions).GetProperties(BindingFlags.Instance | BindingFlags.Public)
        .Where(property => property.Name is not (nameof(AsftFineTuneOptions.Progress) or nameof(AsftFineTuneOptions.CancellationToken)))
        .ToDictionary(property => char.ToLowerInvariant(property.Name[0]) + property.Name[1..], property => property.GetValue(options));

    /// <summary>The end of a run.</summary>
    /// <param name="Steps">Optimizer steps.</param>
    /// <param name="StoppedEarly">By the validation loss.</param>
    /// <param name="CrossEntropy">Mean over the last epoch, nats per supervised token.</param>
    /// <param name="Penalty">Σ‖(I − C)BA‖²_F of the final adapter.</param>
    /// <param name="AnchoredShare">Share of the update inside the anchored subspace, in [0, 1].</param>
    /// <param name="AnchoredEnergy">Share of the direction's squared norm that this subspace holds, in [0, 1].</param>
    /// <param name="Lambda">λ at the end; differs from the option where it is found during training.</param>
    /// <param name="RefusalLoss">Nats per token by which held-out refusals became less likely, or null where none were looked at.</param>
    /// <param name="RefusalTolerance">Nats per token by which they were allowed to, or null.</param>
    /// <param name="Refusals">Whether they were held.</param>
    /// <param name="RefusalReport">The same in a sentence, with what to do where they were not; or null.</param>
    /// <param name="ValidationLoss">Mean cross-entropy on the validation examples, or null.</param>
    /// <param name="Seconds">Wall time of the training loop.</param>
    /// <param name="TokensPerSecond">Real tokens per second.</param>
    /// <param name="ContinuedFrom">Name and SHA-256 of the adapter that was trained further, or null.</param>
    /// <param name="Rows">Training rows read, used, cut and left out.</param>
    /// <param name="ValidationRows">The same of validation rows, or null.</param>
    /// <param name="RefusalRows">The same of held-out refusals, or null.</param>
    internal sealed record Summary(int Steps, bool StoppedEarly, double CrossEntropy, double Penalty, double AnchoredShare, double AnchoredEnergy, double Lambda, double? RefusalLoss,
        double? RefusalTolerance, RefusalOutcome Refusals, string? RefusalReport, double? ValidationLoss, double Seconds, double TokensPerSecond, string? ContinuedFrom,
        RowCounts? Rows, RowCounts? ValidationRows, RowCounts? RefusalRows)
    {
        public static Summary Of(TrainingResult result) => new(result.Steps, result.StoppedEarly, result.CrossEntropy, result.Penalty, result.AnchoredShare, result.AnchoredEnergy, result.PenaltyWeight,
            double.IsNaN(result.RefusalLoss) ? null : result.RefusalLoss, result.RefusalTolerance, result.Refusals, result.RefusalReport,
            result.ValidationLoss, result.Duration.TotalSeconds, result.Tokens / Math.Max(result.Duration.TotalSeconds, 1e-9), result.ContinuedFrom,
            result.Rows, result.ValidationRows, result.RefusalRows);
    }
}
