using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <content>How a spectrum is made: all from the Gram matrix of D's smaller side.</content>
internal sealed partial record Spectrum
{
    // Up to here float64 is a matter of milliseconds, and a Gram matrix squares the condition of D.
    private const long DoubleUpTo = 512;

    // Directions beyond those that are wanted: with them the wanted ones settle sooner, and the first left out is known.
    private const long Oversampling = 32;

    private const int MostRounds = 16;

    // Gain of held energy below which another round is not worth it.
    private const double Settled = 1e-5;

    // Within these a float32 holds the squares of D's numbers and their sums.
    private const double SafeSmall = 1e-10, SafeLarge = 1e10;

    private const long FirstGuess = 64;

    /// <summary>Decomposes D.</summary>
    /// <param name="layer">D, disposed as soon as it is not needed any more: beside it there is one matrix of its smaller side squared.</param>
    /// <param name="rank">How many vectors are wanted.</param>
    /// <param name="device">Where to compute.</param>
    /// <returns>
    /// U on that device, in float64 where D is or its smaller side is at most 512, else in float32; the caller's to dispose. Where k and
    /// a few more are less than half of all there are, U comes from subspace iteration on the Gram matrix (Halko, Martinsson and Tropp,
    /// arXiv 0909.4061, from one fixed seed: the same D gives the same bits on the same machine), else from all of its eigenvectors.
    /// </returns>
    public static Spectrum Of(LayerDirection layer, SpectrumRank rank, Device device)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var owned = layer;
        var (rows, smaller) = (layer.Left.shape[0], Math.Min(layer.Left.shape[0], layer.Left.shape[1]));
        var count = rank.Count(rows, smaller);
        if (!(layer.Norm > 0 && double.IsFinite(layer.Norm))) return None(layer, count ?? 1);

        var dtype = layer.Left.dtype == ScalarType.Float64 || smaller <= DoubleUpTo ? ScalarType.Float64 : ScalarType.Float32;
        // MPS has no float64, and not all decompositions.
        var left = layer.Left.to(dtype, device.type == DeviceType.MPS ? CPU : device);
        var scale = layer.Norm;
        if (scale is < SafeSmall or > SafeLarge)
        {
            using Scalar norm = scale;
            left = left.div(norm);
            scale = 1;
        }
        var isWide = rows <= left.shape[1];
        using Scalar square = scale * scale;
        var gram = (isWide ? left.mm(left.t()) : left.t().mm(left)).div_(square);
        if (isWide)
        {
            left.Dispose();
            layer.Dispose();
        }
        var traces = TracesOf(gram);
        var (values, vectors) = Leading(gram, count, rank.Energy ?? 1);
        var kept = (int)(count ?? Fewest(values, rank.Energy!.Value * (values.Length == smaller ? values.Sum(v => v * v) : 1)) ?? values.Length);
        vectors = vectors.narrow(1, 0, kept);
        // D·v = σ·u; QR makes the columns orthonormal where dividing by a small σ would not.
        if (!isWide) vectors = linalg.qr(left.mm(vectors)).Q;
        return new Spectrum
        {
            Vectors = vectors.contiguous().DetachFromDisposeScope(),
            Values = [.. values.Take(kept).Select(value => value * layer.Norm)],
            Norm = layer.Norm,
            Traces = traces,
            Next = kept < values.Length ? values[kept] * layer.Norm : 0,
        };
    }

    private static Spectrum None(LayerDirection layer, long count) => new()
    {
        Vectors = zeros(layer.Left.shape[0], count, layer.Left.dtype, CPU).DetachFromDisposeScope(),
        Values = new double[count],
        Norm = layer.Norm,
        Traces = new double[Powers],
        Next = 0,
    };

    // The trace of a product of two symmetric matrices is their inner product, so the fourth power needs no more than the second; that is
    // made in stretches of rows, for there is no room for a third matrix, and no sum of millions of numbers in float32.
    private static double[] TracesOf(Tensor gram)
    {
        const long Rows = 512;
        var (second, third, fourth) = (0.0, 0.0, 0.0);
        for (var i = 0L; i < gram.shape[0]; i += Rows)
        {
            using var scope = NewDisposeScope();
            var rows = gram.narrow(0, i, Math.Min(Rows, gram.shape[0] - i));
            var square = rows.mm(gram);
            second += Inner(rows, rows);
            third += Inner(square, rows);
            fourth += Inner(square, square);
        }
        return [1, second, third, fourth];
    }

    private static double Inner(Tensor x, Tensor y) => (x * y).sum(ScalarType.Float64).item<double>();

    /// <summary>Singular values of D/‖D‖, falling, and eigenvectors of its Gram matrix, at least as many as are wanted and one more where there are.</summary>
    private static (double[] Values, Tensor Vectors) Leading(Tensor gram, long? count, double energy)
    {
        var size = gram.shape[0];
        for (var wanted = count ?? FirstGuess; ; wanted *= 2)
        {
            var block = wanted + Math.Max(Oversampling, wanted / 8);
            if (2 * block > size || size <= DoubleUpTo) return Falling(linalg.eigh(gram));
            var (values, vectors) = Iterate(gram, block);
            // An energy is reached, or more vectors are needed.
            if (count is not null || Fewest(values, energy) <= wanted) return (values, vectors);
        }
    }

    // Each round multiplies the part of a direction outside the wanted space by (σ of the block's end / σ)², at most.
    private static (double[] Values, Tensor Vectors) Iterate(Tensor gram, long block)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(0);
        var basis = linalg.qr(randn([gram.shape[0], block], generator: generator).to(gram.dtype, gram.device)).Q;
        var image = gram.mm(basis);
        for (var (round, before) = (1, 0.0); ; round++)
        {
            using var passing = NewDisposeScope();
            var next = linalg.qr(image).Q;
            var product = gram.mm(next);
            basis.Dispose();
            image.Dispose();
            (basis, image) = (next.MoveToOuterDisposeScope(), product.MoveToOuterDisposeScope());
            var held = (basis * image).sum(ScalarType.Float64).item<double>();
            if (round == MostRounds || held - before < Settled * held) break;
            before = held;
        }
        // Rayleigh and Ritz: within the space found, the best vectors are the eigenvectors of the small matrix.
        var (values, turn) = Falling(linalg.eigh(basis.t().mm(image).to(ScalarType.Float64)));
        return (values, basis.mm(turn.to(basis.dtype)).MoveToOuterDisposeScope());
    }

    // eigh sorts upwards, and rounding may leave small negative values.
    private static (double[] Values, Tensor Vectors) Falling((Tensor Values, Tensor Vectors) pairs) =>
        ([.. pairs.Values.cpu().to(ScalarType.Float64).data<double>().Reverse().Select(value => Math.Sqrt(Math.Max(value, 0)))], pairs.Vectors.flip(1));
}
