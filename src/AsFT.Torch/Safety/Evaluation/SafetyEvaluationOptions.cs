using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Safety.Judges;

namespace AsFT.Torch.Safety.Evaluation;

/// <summary>How answers are generated and read when a model's safety is measured.</summary>
public sealed record SafetyEvaluationOptions
{
    /// <summary>The model's chat template.</summary>
    public ChatTemplate Template { get; init; } = ChatTemplate.Llama2;

    /// <summary>Decoding; greedy with at most 512 new tokens by default, as in the published evaluation.</summary>
    public GenerationOptions Generation { get; init; } = new() { MaxNewTokens = 512 };

    /// <summary>New tokens of an answer to the task at most; null: as for the other prompts.</summary>
    public int? TaskMaxNewTokens { get; init; }

    /// <summary>What counts as a refusal; null takes the newest <see cref="RefusalRules"/> at the start of an answer.</summary>
    public RefusalMatcher? Refusals { get; init; }

    /// <summary>A category of harm counts when its probability lies above this, in [0, 1).</summary>
    public double CategoryThreshold { get; init; } = 0.5;
}
