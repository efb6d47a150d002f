using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Left singular vectors of D, from the eigenvectors of the smaller of its two Gram matrices.</summary>
internal static class LeftSingularVectors
{
    /// <summary>The vectors that anchor a subspace.</summary>
    /// <param name="direction">D, not zero.</param>
    /// <param name="rank">How many; null: the fewest that hold <paramref name="energy"/>.</param>
    /// <param name="energy">Share of ‖D‖²_F, in (0, 1].</param>
    /// <param name="device">Where to compute.</param>
    /// <returns>U_k (d_out × k), float64, by falling singular value; k is at most the smaller side of D.</returns>
    public static Tensor Leading(LayerDirection direction, int? rank, double energy, Device device)
    {
        using var scope = NewDisposeScope();
        // float64 throughout: a Gram matrix squares the condition of D, and k must not hang on rounding. MPS has none.
        var left = direction.Left.to(ScalarType.Float64, device.type == DeviceType.MPS ? CPU : device);
        // Divided by its norm, so that squares of small numbers stay in range.
        using Scalar norm = direction.Norm;
        left = left.div(norm);
        var isWide = left.shape[0] <= left.shape[1];
        var (values, vectors) = linalg.eigh(isWide ? left.mm(left.t()) : left.t().mm(left));
        var count = rank is { } wanted ? Math.Min(wanted, values.shape[0]) : RankForEnergy(values.cpu().data<double>().ToArray(), energy);
        // eigh sorts upwards.
        var leading = vectors.narrow(1, vectors.shape[1] - count, count).flip(1);
        // D·v = σ·u; QR makes the columns orthonormal where dividing by a small σ would not.
        return (isWide ? leading.contiguous() : linalg.qr(left.mm(leading)).Item1).MoveToOuterDisposeScope();
    }

    /// <summary>The fewest leading values that hold a share of the sum.</summary>
    /// <param name="squares">σ², rising; rounding may have left small negative ones.</param>
    /// <param name="energy">The share, in (0, 1].</param>
    internal static int RankForEnergy(double[] squares, double energy)
    {
        var wanted = energy * squares.Reverse().Sum(square => Math.Max(square, 0));
        double held = 0;
        for (var i = squares.Length - 1; i >= 0; i--)
        {
            held += Math.Max(squares[i], 0);
            if (held >= wanted) return squares.Length - i;
        }
        return squares.Length;
    }
}
