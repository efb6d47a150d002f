namespace AsFT.Torch.Alignment;

/// <summary>
/// What a penalty asks of an update ΔW = B·A in one layer: ⟨M·ΔW, ΔW⟩ with M = α·I + U·diag(f(σ))·Uᵀ over the kept singular vectors of D.
/// </summary>
internal abstract class UpdatePenalty
{
    /// <summary>α, what every direction costs; 0 or 1.</summary>
    public abstract double Alpha { get; }

    /// <summary>f(σ), what the direction of a singular vector costs beside α.</summary>
    /// <param name="value">σ.</param>
    /// <param name="spectrum">The layer's.</param>
    public abstract double Weight(double value, Spectrum spectrum);

    /// <summary>How many of the vectors take part, the leading ones; all, unless the penalty cuts.</summary>
    /// <param name="spectrum">The layer's, not of D = 0.</param>
    /// <param name="layerName">The layer, for messages.</param>
    /// <exception cref="InvalidOperationException">The penalty wants more than are kept.</exception>
    public virtual int Count(Spectrum spectrum, string layerName) => spectrum.Values.Length;

    /// <summary>By how much the penalty of an update of norm 1 can differ, at most, from that with all singular vectors.</summary>
    /// <param name="spectrum">The layer's.</param>
    public virtual double LeftOut(Spectrum spectrum) => Math.Abs(Weight(spectrum.Next, spectrum));

    /// <summary>The penalty of a projection; null for <see cref="AlignmentProjection.Flattened"/>, which needs D itself.</summary>
    public static UpdatePenalty? Of(AlignmentPenaltyOptions options) => options.Projection switch
    {
        AlignmentProjection.Reference => new ReferencePenalty(),
        AlignmentProjection.Subspace => new SubspacePenalty(options.SubspaceRank, options.SubspaceEnergy),
        AlignmentProjection.None => new IsotropicPenalty(),
        AlignmentProjection.Guard => new GuardPenalty(options.GuardPower),
        _ => null,
    };
}
