using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;

namespace AsFT.MLNet.FineTuning;

/// <summary>How likely a base model refuses, to compare the aligned one with.</summary>
internal static class RefusalComparison
{
    /// <summary>Mean cross-entropy of refusals, in nats per token; null where the folder cannot be asked: weights alone make a direction.</summary>
    public static double? LossOf(string? folder, ComputePlacement placement, WeightFormat format, IReadOnlyList<TokenizedExample> refusals, int batchSize, CancellationToken cancellationToken)
    {
        if (folder is null || !File.Exists(Path.Combine(folder, "config.json"))) return null;
        var config = ModelConfig.Load(folder);
        // An alignment may have added tokens and positions.
        if (refusals.Any(refusal => refusal.Ids.Length > config.MaxPositions || refusal.Ids.Any(id => id >= config.VocabularySize))) return null;
        using var model = CausalLanguageModel.Load(folder, placement, format);
        using var threads = model.UseThreads();
        return Evaluation.CrossEntropy(model, refusals, batchSize, cancellationToken);
    }
}
