namespace AsFT.Torch.Alignment;

/// <summary>What the penalty leaves free: the C of ‖(I − C)·ΔW‖²_F, ΔW = B·A; or, with <see cref="Guard"/>, what it holds.</summary>
public enum AlignmentProjection
{
    /// <summary>
    /// C = D·Dᵀ/‖D‖_F, the published code's choice. No true projector: its eigenvalues are σ²/‖D‖_F, so it changes with
    /// the scale of D. Since they are mostly small, the penalty works largely by keeping the update small.
    /// </summary>
    Reference,

    /// <summary>C = U_k·U_kᵀ with the k leading left singular vectors of D: an orthogonal projector.</summary>
    Subspace,

    /// <summary>What counts is the part of ΔW orthogonal to D, both read as one vector: one direction in parameter space.</summary>
    Flattened,

    /// <summary>C = 0: the isotropic penalty ‖ΔW‖²_F, the ablation that shows what the direction adds.</summary>
    None,

    /// <summary>
    /// The opposite reading: ⟨M·ΔW, ΔW⟩ with M ∝ (D·Dᵀ)^q, q = <see cref="AlignmentPenaltyOptions.GuardPower"/>, holds the
    /// outputs that alignment wrote to, the more the more it wrote, and leaves what it never touched free. Undoing
    /// alignment needs those outputs; a task mostly does not. Free of the scale of D: the mean eigenvalue of M is 1,
    /// that of <see cref="None"/>.
    /// </summary>
    Guard,
}
