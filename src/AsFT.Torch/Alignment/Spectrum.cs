using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>What a penalty needs of one layer's D: its leading left singular vectors and values, and sums over all of them.</summary>
internal sealed partial record Spectrum : IDisposable
{
    /// <summary>Powers q of D·Dᵀ whose traces are known: 1 to this.</summary>
    public const int Powers = 4;

    /// <summary>U, (d_out × k), orthonormal columns by falling singular value. Owned.</summary>
    public required Tensor Vectors { get; init; }

    /// <summary>σ, k numbers, falling.</summary>
    public required double[] Values { get; init; }

    /// <summary>‖D‖_F; 0 where the two models agree, NaN or infinite when D is.</summary>
    public required double Norm { get; init; }

    /// <summary>tr (D·Dᵀ/‖D‖²_F)^q for q = 1 to <see cref="Powers"/>, over all singular values, kept or not.</summary>
    public required double[] Traces { get; init; }

    /// <summary>σₖ₊₁, the largest value that is left out; 0 where none is.</summary>
    public required double Next { get; init; }

    /// <summary>Share of ‖D‖²_F that the first vectors hold, in [0, 1].</summary>
    /// <param name="count">How many; null: all that are kept.</param>
    public double Energy(int? count = null) => Norm > 0 ? Math.Min(1, Values.Take(count ?? Values.Length).Sum(value => value * value) / Whole) : 0;

    /// <summary>The fewest vectors that hold a share of ‖D‖²_F; null: all that are kept do not.</summary>
    /// <param name="share">In (0, 1].</param>
    public int? CountFor(double share) => Fewest(Values, share * Whole);

    /// <summary>The leading vectors alone, as a spectrum of its own.</summary>
    /// <param name="count">How many, at most those that are kept.</param>
    public Spectrum First(int count) => count == Values.Length ? this with { Vectors = Vectors.alias().DetachFromDisposeScope() } : this with
    {
        Vectors = Vectors.narrow(1, 0, count).clone().DetachFromDisposeScope(),
        Values = Values[..count],
        Next = Values[count],
    };

    public void Dispose() => Vectors.Dispose();

    // Rounding makes the sum of all squares differ from ‖D‖² in the last digits, and a share of 1 must be in reach.
    private double Whole => Next > 0 ? Norm * Norm : Values.Sum(value => value * value);

    private static int? Fewest(double[] values, double wanted)
    {
        var held = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            held += values[i] * values[i];
            if (held >= wanted) return i + 1;
        }
        return null;
    }
}
