using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Options of <see cref="AlignmentPenalty"/>.</summary>
public sealed record AlignmentPenaltyOptions
{
    /// <summary>What the penalty leaves free, or, with <see cref="AlignmentProjection.Guard"/>, what it holds.</summary>
    public AlignmentProjection Projection { get; init; } = AlignmentProjection.Reference;

    /// <summary>
    /// How many of D's left singular vectors are kept per layer: <c>auto</c> (all up to d_out = 1,024, which is exact, and 256 above; of a file of spectra
    /// what it holds), <c>all</c>, a number, or the share of ‖D‖²_F that they are to hold, such as <c>0.95</c>. Flattened and None keep none.
    /// </summary>
    public string SpectrumRank { get; init; } = Alignment.SpectrumRank.Auto;

    /// <summary>k of <see cref="AlignmentProjection.Subspace"/>, at least 1 and at most what <see cref="SpectrumRank"/> keeps; null: the fewest that hold <see cref="SubspaceEnergy"/>.</summary>
    public int? SubspaceRank { get; init; }

    /// <summary>
    /// Share of ‖D‖²_F that the subspace holds, in (0, 1]. With other projections it bounds the subspace that
    /// <see cref="AlignmentPenalty.AnchoredShare"/> measures against.
    /// </summary>
    public double SubspaceEnergy { get; init; } = 0.9;

    /// <summary>
    /// q of <see cref="AlignmentProjection.Guard"/>, from 1 to 4: how much harder the leading singular vectors of D are held
    /// than the rest, as σ^(2q). Other projections do not look at it.
    /// </summary>
    public int GuardPower { get; init; } = 2;

    /// <summary>Whether ΔW includes LoRA's scale α/r; the published code leaves it out.</summary>
    public bool IncludeLoraScale { get; init; }

    /// <summary>Adapted layers (names or suffixes such as <c>q_proj</c>) that may go without a direction; they get no penalty then.</summary>
    public IReadOnlyList<string> UnprotectedLayers { get; init => field = value?.ToArray()!; } = [];

    /// <summary>
    /// Format of the singular vectors (of D with Flattened); null: the adapter's own. bfloat16 halves memory and traffic on CUDA at
    /// about 3 digits of what the direction adds, and is slow on CPUs.
    /// </summary>
    public ScalarType? StorageDType { get; init; }

    /// <summary><see cref="SpectrumRank"/>, read.</summary>
    internal SpectrumRank Rank() => Alignment.SpectrumRank.Parse(SpectrumRank, nameof(SpectrumRank));

    internal void Validate()
    {
        if (!Enum.IsDefined(Projection))
            throw new ArgumentOutOfRangeException(nameof(Projection), Projection, $"Projection must be one of {string.Join(", ", Enum.GetNames<AlignmentProjection>())}.");
        Rank();
        OptionRange.Count.Check(SubspaceRank, nameof(SubspaceRank));
        OptionRange.GuardPower.Check(GuardPower, nameof(GuardPower));
        OptionRange.SubspaceEnergy.Check(SubspaceEnergy, nameof(SubspaceEnergy));
        if (StorageDType is not (null or ScalarType.BFloat16 or ScalarType.Float16 or ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentOutOfRangeException(nameof(StorageDType), StorageDType, "The storage format must be a floating-point one.");
    }
}
