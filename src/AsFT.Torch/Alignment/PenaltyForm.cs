using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Penalties of a stack of L layers and their gradients, written out by hand: no graph, no (d_out × d_in) tensor per step.</summary>
internal abstract class PenaltyForm : IDisposable
{
    /// <summary>Values and, when asked for, gradients.</summary>
    /// <param name="a">(L × r × d_in).</param>
    /// <param name="b">(L × d_out × r).</param>
    /// <param name="withGradients">Whether the gradients are wanted.</param>
    /// <returns>Per layer the penalty (L); ½ ∂/∂A and ½ ∂/∂B, or null. They may be the form's own, and hold until its next call.</returns>
    public abstract (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>⟨x, y⟩ of each pair of matrices, (L).</summary>
    protected static Tensor Inner(Tensor x, Tensor y) => (x * y).sum([1, 2]);

    protected static Tensor Transposed(Tensor x) => x.transpose(1, 2);
}

/// <summary>
/// ‖(I − C)·B·A‖²_F with symmetric C. With Y = (I − C)²·B, S = Bᵀ·Y and G = A·Aᵀ it is ⟨S, G⟩, and the gradients are
/// ∂/∂B = 2·Y·G and ∂/∂A = 2·S·A: what differs between the forms is only how they come by Y.
/// </summary>
internal abstract class QuadraticForm : PenaltyForm
{
    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients)
    {
        var (y, s) = Transform(b);
        var gram = a.bmm(Transposed(a));
        return (Inner(s, gram), withGradients ? s.bmm(a) : null, withGradients ? y.bmm(gram) : null);
    }

    /// <summary>Y (L × d_out × r) and S (L × r × r) of B.</summary>
    protected abstract (Tensor Y, Tensor S) Transform(Tensor b);
}

/// <summary>C = 0.</summary>
internal sealed class IsotropicForm : QuadraticForm
{
    protected override (Tensor Y, Tensor S) Transform(Tensor b) => (b, Transposed(b).bmm(b));

    public override void Dispose() { }
}

// TorchSharp 0.107 hands baddbmm's operands to libtorch in another order than it names them; bmm and add_ do the same.

/// <summary>Y = B + E·B with E = C² − 2·C: one pass over one symmetric matrix.</summary>
/// <param name="e">(L × d_out × d_out), owned.</param>
internal sealed class SymmetricForm(Tensor e) : QuadraticForm
{
    private readonly SymmetricKernel? _kernel = SymmetricKernel.TryCreate(e, addsIdentity: true);

    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients) =>
        _kernel is not null && SymmetricKernel.Handles(a, b) ? _kernel.Compute(a, b, withGradients) : base.Compute(a, b, withGradients);

    protected override (Tensor Y, Tensor S) Transform(Tensor b)
    {
        var y = e.bmm(b.to(e.dtype)).to(b.dtype).add_(b, Scalars.One);
        return (y, Transposed(b).bmm(y));
    }

    public override void Dispose()
    {
        _kernel?.Dispose();
        e.Dispose();
    }
}

/// <summary>
/// Y = B + F·(K·(Fᵀ·B)) for C = F·Fᵀ/n with F·Fᵀ = D·Dᵀ, since C² − 2·C = F·(FᵀF/n² − 2/n·I)·Fᵀ. Cheaper than
/// <see cref="SymmetricForm"/> where F is much narrower than d_out.
/// </summary>
/// <param name="factor">F, (L × d_out × m), owned.</param>
/// <param name="core">K, (L × m × m), owned.</param>
internal sealed class FactoredForm(Tensor factor, Tensor core) : QuadraticForm
{
    protected override (Tensor Y, Tensor S) Transform(Tensor b)
    {
        var low = core.bmm(Transposed(factor).bmm(b.to(factor.dtype)));
        var y = factor.bmm(low).to(b.dtype).add_(b, Scalars.One);
        return (y, Transposed(b).bmm(y));
    }

    public override void Dispose()
    {
        factor.Dispose();
        core.Dispose();
    }
}

/// <summary>C = U·Uᵀ with orthonormal columns: (I − C)² = I − C, so S = Yᵀ·Y, which no rounding makes negative.</summary>
/// <param name="basis">U, (L × d_out × k), owned; layers with fewer vectors are filled up with zeros.</param>
internal sealed class ProjectorForm(Tensor basis) : QuadraticForm
{
    protected override (Tensor Y, Tensor S) Transform(Tensor b)
    {
        var low = Transposed(basis).bmm(b.to(basis.dtype));
        var y = b - basis.bmm(low).to(b.dtype);
        return (y, Transposed(y).bmm(y));
    }

    public override void Dispose() => basis.Dispose();
}

/// <summary>⟨M·B·A, B·A⟩ with a symmetric, positive semidefinite M in place of (I − C)².</summary>
/// <param name="metric">M, (L × d_out × d_out), owned.</param>
internal sealed class MetricForm(Tensor metric) : QuadraticForm
{
    private readonly SymmetricKernel? _kernel = SymmetricKernel.TryCreate(metric, addsIdentity: false);

    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients) =>
        _kernel is not null && SymmetricKernel.Handles(a, b) ? _kernel.Compute(a, b, withGradients) : base.Compute(a, b, withGradients);

    protected override (Tensor Y, Tensor S) Transform(Tensor b)
    {
        var y = metric.bmm(b.to(metric.dtype)).to(b.dtype);
        return (y, Transposed(b).bmm(y));
    }

    public override void Dispose()
    {
        _kernel?.Dispose();
        metric.Dispose();
    }
}

/// <summary><see cref="MetricForm"/> with M = F·K·Fᵀ: cheaper where F is much narrower than d_out.</summary>
/// <param name="factor">F, (L × d_out × m), owned.</param>
/// <param name="core">K, (L × m × m), owned.</param>
internal sealed class FactoredMetricForm(Tensor factor, Tensor core) : QuadraticForm
{
    protected override (Tensor Y, Tensor S) Transform(Tensor b)
    {
        var low = Transposed(factor).bmm(b.to(factor.dtype));
        var weighted = core.bmm(low);
        // In the adapter's format: squares of small numbers are lost in float16.
        return (factor.bmm(weighted).to(b.dtype), Transposed(low.to(b.dtype)).bmm(weighted.to(b.dtype)));
    }

    public override void Dispose()
    {
        factor.Dispose();
        core.Dispose();
    }
}

/// <summary>
/// ‖B·A‖²_F − ⟨B·A, D̂⟩² with D̂ = D/‖D‖_F. With P = D̂·Aᵀ the product is ⟨P, B⟩, which needs no B·A; its gradients are
/// P for B and Bᵀ·D̂ for A.
/// </summary>
/// <param name="unit">D̂, (L × d_out × d_in), owned.</param>
internal sealed class FlattenedForm(Tensor unit) : PenaltyForm
{
    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients)
    {
        var alongA = unit.bmm(Transposed(a).to(unit.dtype)).to(b.dtype);
        var along = Inner(alongA, b);
        var (gramA, gramB) = (a.bmm(Transposed(a)), Transposed(b).bmm(b));
        var values = Inner(gramA, gramB) - along.pow(Scalars.Two);
        if (!withGradients) return (values, null, null);
        var alongB = Transposed(b).to(unit.dtype).bmm(unit).to(a.dtype);
        var factor = along.view(-1, 1, 1);
        return (values, gramB.bmm(a).sub_(alongB.mul_(factor)), b.bmm(gramA).sub_(alongA.mul_(factor)));
    }

    public override void Dispose() => unit.Dispose();
}
