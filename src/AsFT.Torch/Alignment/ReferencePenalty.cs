namespace AsFT.Torch.Alignment;

/// <summary>‖(I − C)·ΔW‖²_F with C = D·Dᵀ/‖D‖_F: <see cref="AlignmentProjection.Reference"/>.</summary>
internal sealed class ReferencePenalty : UpdatePenalty
{
    public override double Alpha => 1;

    public override double Weight(double value, Spectrum spectrum)
    {
        var eigenvalue = value * value / spectrum.Norm;
        return eigenvalue * (eigenvalue - 2);
    }

    // f falls before it rises, so its value at σₖ₊₁ is no bound on what lies below; twice the eigenvalue is.
    public override double LeftOut(Spectrum spectrum) => spectrum.Next * spectrum.Next / spectrum.Norm is var eigenvalue && eigenvalue <= 2 ? 2 * eigenvalue : Weight(spectrum.Next, spectrum);
}
