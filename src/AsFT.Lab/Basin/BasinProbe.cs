using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.Basin;

/// <summary>What is measured at every point of a scan.</summary>
public sealed record BasinProbe
{
    /// <summary>The model's tokenizer.</summary>
    public required LanguageTokenizer Tokenizer { get; init; }

    /// <summary>The model's chat template.</summary>
    public required ChatTemplate Template { get; init; }

    /// <summary>Harmful prompts, at least one.</summary>
    public required IReadOnlyList<ChatExample> Prompts { get; init; }

    /// <summary>Reference refusals, or their beginnings; see <see cref="RefusalLikelihood"/>.</summary>
    public IReadOnlyList<string> Refusals { get; init; } = RefusalLikelihood.CommonRefusals;

    /// <summary>Judges the answers; null measures the refusal likelihood alone, which needs no generation.</summary>
    public IHarmfulnessJudge? Judge { get; init; }

    /// <summary>How answers are generated for the judge; greedy unless it says otherwise.</summary>
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>Sequences per forward pass of the likelihood, at least 1.</summary>
    public int LikelihoodBatchSize { get; init; } = 64;
}
