using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>D of one layer: a matrix, or its best rank-k approximation as factors.</summary>
internal sealed class LayerDirection : IDisposable
{
    private Tensor? _matrix;

    /// <param name="left">D (d_out × d_in), or U_k·Σ_k (d_out × k) when there is a right factor. Owned from here on.</param>
    /// <param name="right">V_k (d_in × k) with orthonormal columns, so that D·Dᵀ = left·leftᵀ. Owned from here on.</param>
    /// <param name="norm">‖D‖_F where it is known already; else it is taken.</param>
    public LayerDirection(Tensor left, Tensor? right = null, double? norm = null)
    {
        Left = left.DetachFromDisposeScope();
        Right = right?.DetachFromDisposeScope();
        using var scope = NewDisposeScope();
        Norm = norm ?? left.to(ScalarType.Float64).norm().item<double>();
    }

    /// <summary>The thinnest L at hand with L·Lᵀ = D·Dᵀ.</summary>
    public Tensor Left { get; }

    /// <summary>V_k, or null when <see cref="Left"/> is D itself.</summary>
    public Tensor? Right { get; }

    /// <summary>‖D‖_F, taken in float64. NaN or infinite when D is.</summary>
    public double Norm { get; }

    /// <summary>D, (d_out × d_in); a product of factors is taken once and kept.</summary>
    public Tensor Matrix => Right is null ? Left : _matrix ??= Left.mm(Right.t()).DetachFromDisposeScope();

    /// <summary>The same numbers in the same memory, to be disposed by somebody else.</summary>
    public LayerDirection Share() => new(Left.alias(), Right?.alias(), Norm);

    public void Dispose()
    {
        Left.Dispose();
        Right?.Dispose();
        _matrix?.Dispose();
    }
}
