namespace AsFT.Torch.Alignment;

/// <summary>⟨M·ΔW, ΔW⟩ with M = d_out·(D·Dᵀ)^q/tr (D·Dᵀ)^q, whose mean eigenvalue is 1 however many vectors are kept: <see cref="AlignmentProjection.Guard"/>.</summary>
/// <param name="power">q.</param>
internal sealed class GuardPenalty(int power) : UpdatePenalty
{
    public override double Alpha => 0;

    public override double Weight(double value, Spectrum spectrum) =>
        spectrum.Vectors.shape[0] * Math.Pow(value / spectrum.Norm, 2 * power) / spectrum.Traces[power - 1];
}
