namespace AsFT.Torch.Alignment;

/// <summary>‖(I − U·Uᵀ)·ΔW‖²_F over the leading vectors: <see cref="AlignmentProjection.Subspace"/>.</summary>
/// <param name="rank">How many; null: the fewest that hold the energy.</param>
/// <param name="energy">Share of ‖D‖²_F, in (0, 1].</param>
internal sealed class SubspacePenalty(int? rank, double energy) : UpdatePenalty
{
    private const string Rank = nameof(AlignmentPenaltyOptions.SubspaceRank), Share = nameof(AlignmentPenaltyOptions.SubspaceEnergy), Kept = nameof(AlignmentPenaltyOptions.SpectrumRank);

    public override double Alpha => 1;

    public override double Weight(double value, Spectrum spectrum) => -1;

    public override double LeftOut(Spectrum spectrum) => 0;

    public override int Count(Spectrum spectrum, string layerName)
    {
        var kept = spectrum.Values.Length;
        if (rank > kept)
            throw new InvalidOperationException(spectrum.Next > 0
                ? $"{Rank} is {rank}; the spectrum of '{layerName}' keeps {kept} vectors. Raise {Kept}, or lower {Rank}."
                : $"{Rank} is {rank}; D has at most {kept} singular vectors in '{layerName}'.");
        var count = rank ?? spectrum.CountFor(energy)
            ?? throw new InvalidOperationException($"{Share} is {energy}; the {kept} vectors that are kept of '{layerName}' hold {spectrum.Energy():0.000} of the direction's squared norm. Raise {Kept} (a share of {energy} keeps what is needed), or lower {Share}.");
        // A penalty that is 0 whatever the update does would protect nothing, in silence.
        if (count == spectrum.Vectors.shape[0])
            throw new InvalidOperationException($"The subspace of D is the whole space of dimension {count} in '{layerName}', so the penalty would leave every update free; lower {Rank} or {Share}.");
        return count;
    }
}
