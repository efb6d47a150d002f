using AsFT.Torch.Runtime;

namespace AsFT.Torch.Adapters;

/// <summary>Shape and scale of a LoRA adapter: W' = W + (α/r)·B·A (Hu et al., arXiv 2106.09685).</summary>
public sealed record LoraOptions
{
    /// <summary>Rank r of the update, at least 1 and at most the smaller side of every target matrix.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Scale numerator α, from 1e−6 to 1e6.</summary>
    public double Alpha { get; init; } = 32;

    /// <summary>Probability of dropping an input feature of the adapter in training, from 0 to 0.99.</summary>
    public double Dropout { get; init; } = 0.05;

    /// <summary>Linear layers to adapt: full names, name suffixes (<c>q_proj</c>), or <c>all-linear</c> for all but the head.</summary>
    public IReadOnlyList<string> TargetModules { get; init => field = value?.ToArray()!; } = ["q_proj", "v_proj"];

    /// <summary>Scale by α/√r instead of α/r (rsLoRA, arXiv 2312.03732).</summary>
    public bool UseRsLora { get; init; }

    /// <summary>Factor on B·A for a layer of the given rank.</summary>
    /// <param name="rank">r of the layer.</param>
    public double Scale(int rank) => Alpha / (UseRsLora ? Math.Sqrt(rank) : rank);

    /// <summary>Checks the ranges that do not depend on a model.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        OptionRange.Count.Check(Rank, nameof(Rank));
        OptionRange.Alpha.Check(Alpha, nameof(Alpha));
        OptionRange.Dropout.Check(Dropout, nameof(Dropout));
    }
}
