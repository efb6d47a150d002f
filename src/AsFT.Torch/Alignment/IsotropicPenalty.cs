namespace AsFT.Torch.Alignment;

/// <summary>‖ΔW‖²_F, which needs no direction: <see cref="AlignmentProjection.None"/>.</summary>
internal sealed class IsotropicPenalty : UpdatePenalty
{
    public override double Alpha => 1;

    public override double Weight(double value, Spectrum spectrum) => 0;
}
