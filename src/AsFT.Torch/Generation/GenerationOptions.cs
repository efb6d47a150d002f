using AsFT.Torch.Runtime;

namespace AsFT.Torch.Generation;

/// <summary>How answers are decoded.</summary>
public sealed record GenerationOptions
{
    /// <summary>New tokens per answer at most, ≥ 1; less where the model's positions end earlier.</summary>
    public int MaxNewTokens { get; init; } = 256;

    /// <summary>0 decodes greedily; from 0.001 to 100, logits are divided by it and sampled.</summary>
    public double Temperature { get; init; }

    /// <summary>Sampling keeps the fewest tokens whose probabilities add up to this, in (0, 1].</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Sampling keeps this many tokens, ≥ 1; null: all.</summary>
    public int? TopK { get; init; }

    /// <summary>
    /// Logits of tokens already in the sequence, prompt included, are divided (positive) or multiplied (negative) by
    /// this; from 0.01 to 100, 1: off (Keskar et al., arXiv 1909.05858).
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>
    /// Seed of sampling. The draws of an answer depend on this, on its prompt, and on how many equal prompts stand
    /// before it in the same call; not on the other prompts, their order, or the batch size.
    /// </summary>
    public long Seed { get; init; } = 42;

    /// <summary>An answer ends before the first of these.</summary>
    public IReadOnlyList<string> StopStrings { get; init => field = value?.ToArray()!; } = [];

    /// <summary>Prompts per forward pass at most, at least 1.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Throws when an option is out of range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Names the option, its value and its range.</exception>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public void Validate()
    {
        OptionRange.Count.Check(MaxNewTokens, nameof(MaxNewTokens));
        OptionRange.Temperature.Check(Temperature, nameof(Temperature));
        OptionRange.TopP.Check(TopP, nameof(TopP));
        OptionRange.Count.Check(TopK, nameof(TopK));
        OptionRange.RepetitionPenalty.Check(RepetitionPenalty, nameof(RepetitionPenalty));
        OptionRange.Count.Check(BatchSize, nameof(BatchSize));
        if (StopStrings is null || StopStrings.Any(string.IsNullOrEmpty))
            throw new ArgumentException($"{nameof(StopStrings)} holds an empty string, which would end every answer at once; leave it out.", nameof(StopStrings));
    }
}
