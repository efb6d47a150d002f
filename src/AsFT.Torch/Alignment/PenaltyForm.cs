using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Penalties of a stack of L layers and their gradients, written out by hand: no graph, no (d_out × d_in) tensor of its own per step.</summary>
internal abstract class PenaltyForm : IDisposable
{
    /// <summary>Values and, when asked for, gradients.</summary>
    /// <param name="a">(L × r × d_in).</param>
    /// <param name="b">(L × d_out × r).</param>
    /// <param name="withGradients">Whether the gradients are wanted.</param>
    /// <returns>Per layer the penalty (L); ½ ∂/∂A and ½ ∂/∂B, or null.</returns>
    public abstract (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients);

    /// <summary>‖P·B·A‖²_F of each layer, (L), with P the projector on what the direction anchors; null: it anchors nothing.</summary>
    /// <param name="a">(L × r × d_in).</param>
    /// <param name="b">(L × d_out × r).</param>
    public abstract Tensor? Anchored(Tensor a, Tensor b);

    /// <summary>Ends the filling, after which the form computes.</summary>
    public abstract void Complete();

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>⟨x, y⟩ of each pair of matrices, (L).</summary>
    protected static Tensor Inner(Tensor x, Tensor y) => (x * y).sum([1, 2]);

    protected static Tensor Transposed(Tensor x) => x.transpose(1, 2);
}

/// <summary>
/// ⟨Bᵀ·M·B, A·R·Aᵀ⟩ with symmetric M on B's side and R on A's. With Y = M·B, S = Bᵀ·Y, X = R·Aᵀ and H = A·X it is ⟨S, H⟩, and the
/// gradients are ∂/∂B = 2·Y·H and ∂/∂A = 2·S·Xᵀ.
/// </summary>
/// <param name="left">M, owned.</param>
/// <param name="right">R, owned; null: the identity.</param>
internal sealed class SpectralForm(SpectralMatrix left, SpectralMatrix? right = null) : PenaltyForm
{
    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients)
    {
        var (y, s) = left.Apply(b);
        var (x, h) = Right(a);
        return (Inner(s, h), withGradients ? s.bmm(Transposed(x)) : null, withGradients ? y.bmm(h) : null);
    }

    public override Tensor? Anchored(Tensor a, Tensor b) => left.Anchored(b) is { } inside ? Inner(inside, a.bmm(Transposed(a))) : null;

    public override void Complete()
    {
        left.Complete();
        right?.Complete();
    }

    public override void Dispose()
    {
        left.Dispose();
        right?.Dispose();
    }

    private (Tensor X, Tensor H) Right(Tensor a) => right is null ? (Transposed(a), a.bmm(Transposed(a))) : right.Apply(Transposed(a));
}

/// <summary>
/// ‖B·A‖²_F − ⟨B·A, D̂⟩² with D̂ = D/‖D‖_F. With P = D̂·Aᵀ the product is ⟨P, B⟩, which needs no B·A; its gradients are
/// P for B and Bᵀ·D̂ for A.
/// </summary>
/// <param name="layers">L at most.</param>
/// <param name="storage">Format of D̂.</param>
/// <param name="device">Where D̂ lies.</param>
internal sealed class FlattenedForm(int layers, ScalarType storage, Device device) : PenaltyForm
{
    // D̂, (L × d_out × d_in).
    private Tensor? _units;
    private int _count;

    /// <summary>Adds a layer.</summary>
    /// <param name="direction">D, not 0.</param>
    /// <param name="dtype">Format in which it is divided by its norm.</param>
    public void Add(LayerDirection direction, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var matrix = direction.Matrix;
        _units ??= empty([layers, .. matrix.shape], storage, device).DetachFromDisposeScope();
        using Scalar norm = direction.Norm;
        _units[_count++].copy_(matrix.to(dtype, device).div(norm));
    }

    public override void Complete()
    {
        if (_units is null || _count == layers) return;
        using var all = _units;
        _units = all.narrow(0, 0, _count).clone().DetachFromDisposeScope();
    }

    public override (Tensor Values, Tensor? HalfA, Tensor? HalfB) Compute(Tensor a, Tensor b, bool withGradients)
    {
        var alongA = AlongA(a, b);
        var along = Inner(alongA, b);
        var (gramA, gramB) = (a.bmm(Transposed(a)), Transposed(b).bmm(b));
        var values = Inner(gramA, gramB) - along.pow(Scalars.Two);
        if (!withGradients) return (values, null, null);
        var alongB = Transposed(b).to(storage).bmm(_units!).to(a.dtype);
        var factor = along.view(-1, 1, 1);
        return (values, gramB.bmm(a).sub_(alongB.mul_(factor)), b.bmm(gramA).sub_(alongA.mul_(factor)));
    }

    public override Tensor Anchored(Tensor a, Tensor b) => Inner(AlongA(a, b), b).pow(Scalars.Two);

    public override void Dispose() => _units?.Dispose();

    private Tensor AlongA(Tensor a, Tensor b) => _units!.bmm(Transposed(a).to(storage)).to(b.dtype);
}
