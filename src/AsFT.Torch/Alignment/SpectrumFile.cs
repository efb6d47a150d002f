using System.Globalization;
using System.Runtime.InteropServices;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// How a layer's spectrum lies in a direction's file: U (d_out × k); σ (k), float64; and a summary, float64: d_in, ‖D‖_F, σₖ₊₁, and
/// tr (D·Dᵀ/‖D‖²_F)^q for q = 1 to 4.
/// </summary>
internal static class SpectrumFile
{
    public const string VectorsSuffix = ".spectrum_vectors", ValuesSuffix = ".spectrum_values", SummarySuffix = ".spectrum_summary";

    public static readonly string[] Suffixes = [VectorsSuffix, ValuesSuffix, SummarySuffix];

    private const int SummaryLength = 3 + Spectrum.Powers;

    // What rounding to bfloat16 makes of lengths and right angles is a tenth of this.
    private const double Orthonormal = 0.05;

    // Of sums and of numbers that float32 computed.
    private const double Slack = 1e-3;

    /// <summary>Tensors that a layer's spectrum becomes.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="count">k.</param>
    /// <param name="dtype">Format of U.</param>
    public static IEnumerable<TensorPlan> Plan(DirectionLayer layer, long count, ScalarType dtype) =>
    [
        new(layer.Name + VectorsSuffix, SafetensorsDTypes.FromScalarType(dtype)!.Value, [layer.OutFeatures, count]),
        new(layer.Name + ValuesSuffix, SafetensorsDType.F64, [count]),
        new(layer.Name + SummarySuffix, SafetensorsDType.F64, [SummaryLength]),
    ];

    /// <summary>The numbers of a layer's summary.</summary>
    public static double[] Summary(DirectionLayer layer, Spectrum spectrum) => [layer.InFeatures, spectrum.Norm, spectrum.Next, .. spectrum.Traces];

    /// <summary>A layer of a file, whose header and summary are checked.</summary>
    /// <param name="file">The file, which must outlive the layer.</param>
    /// <param name="name">The layer.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or of another shape, or the summary is of no matrix.</exception>
    public static DirectionLayer LayerOf(SafetensorsFile file, string name)
    {
        var vectors = Entry(file, name + VectorsSuffix, "a matrix in BF16, F32 or F64 with at least one column", entry =>
            entry is { Shape: [>= 1, >= 1], DType: SafetensorsDType.BF16 or SafetensorsDType.F32 or SafetensorsDType.F64 } && entry.Shape[1] <= entry.Shape[0]);
        var count = vectors.Shape[1];
        Entry(file, name + ValuesSuffix, $"{count} numbers in F64, one for each vector", entry => entry.DType == SafetensorsDType.F64 && entry.Shape is [var length] && length == count);
        var inFeatures = Numbers(file, name + SummarySuffix, $"{SummaryLength} numbers in F64", SummaryLength)[0];
        if (!(inFeatures >= count && inFeatures <= int.MaxValue && Math.Floor(inFeatures) == inFeatures))
            throw Wrong(file, name + SummarySuffix, $"has d_in = {Text(inFeatures)}; a whole number of at least {count}, its vectors, is wanted");
        var dtype = vectors.DType.ToScalarType()!.Value;
        return new(name, vectors.Shape[0], (long)inFeatures, dtype == ScalarType.Float64 ? dtype : ScalarType.Float32, count,
            () => throw new InvalidOperationException($"'{file.Path}' holds the spectrum of D, and {nameof(AlignmentProjection.Flattened)}, {nameof(AlignmentDirection.Find)} and other formats need D itself. Make the direction as fp32, bf16 or rank-K, or from both models."))
        {
            ReadSpectrum = () => Read(file, name),
        };
    }

    /// <summary>‖D‖_F of a layer that <see cref="LayerOf"/> found.</summary>
    public static double ReadNorm(SafetensorsFile file, string name) => Numbers(file, name + SummarySuffix, "", SummaryLength)[1];

    private static Spectrum Read(SafetensorsFile file, string name)
    {
        var summary = Numbers(file, name + SummarySuffix, "", SummaryLength);
        var values = Numbers(file, name + ValuesSuffix, "", (int)file.Entries[name + ValuesSuffix].Shape[0]);
        var (norm, next, traces) = (summary[1], summary[2], summary[3..]);
        // What two models that are not finite have written is for the user of the direction to refuse, by name.
        if (double.IsFinite(norm))
        {
            if (norm < 0) throw Wrong(file, name + SummarySuffix, $"has the norm {Text(norm)}; it cannot be negative");
            for (var i = 0; i < values.Length; i++)
                if (!(values[i] >= 0 && values[i] <= (i == 0 ? norm * (1 + Slack) : values[i - 1])))
                    throw Wrong(file, name + ValuesSuffix, $"has {Text(values[i])} at {i}; singular values are not negative, and none is above the one before it or the norm, {Text(norm)}");
            if (!(next >= 0 && next <= values[^1] * (1 + Slack)))
                throw Wrong(file, name + SummarySuffix, $"has {Text(next)} for the first value left out; the last one kept is {Text(values[^1])}");
            if (values.Sum(value => value / norm * value / norm) > 1 + Slack)
                throw Wrong(file, name + ValuesSuffix, "has squares that add up to more than the norm's");
            for (var q = 1; q <= Spectrum.Powers && norm > 0; q++)
                if (!(traces[q - 1] <= 1 + Slack && traces[q - 1] >= values.Sum(value => Math.Pow(value / norm, 2 * q)) * (1 - Slack) && traces[q - 1] > 0))
                    throw Wrong(file, name + SummarySuffix, $"has {Text(traces[q - 1])} for the trace of power {q}; it lies between the sum over the values kept and 1");
        }
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var vectors = file.Read(name + VectorsSuffix);
        if (norm > 0 && double.IsFinite(norm)) RequireOrthonormal(file, name + VectorsSuffix, vectors);
        return new Spectrum { Vectors = vectors.DetachFromDisposeScope(), Values = values, Norm = norm, Traces = traces, Next = next };
    }

    private static void RequireOrthonormal(SafetensorsFile file, string name, Tensor vectors)
    {
        using var scope = NewDisposeScope();
        var wide = vectors.dtype == ScalarType.BFloat16 ? vectors.to(ScalarType.Float32) : vectors;
        var gram = wide.t().mm(wide);
        gram.diagonal().sub_(Scalars.One);
        // Written so that a NaN is none.
        if (!(gram.abs_().max().to(ScalarType.Float64).item<double>() <= Orthonormal))
            throw Wrong(file, name, "has columns that are not orthonormal, or not finite");
    }

    private static SafetensorsEntry Entry(SafetensorsFile file, string name, string wanted, Func<SafetensorsEntry, bool> fits)
    {
        if (!file.Entries.TryGetValue(name, out var entry)) throw new InvalidDataException($"'{file.Path}' has no tensor '{name}'; {wanted} is wanted.");
        return fits(entry) ? entry : throw Wrong(file, name, $"is {entry.DType} of shape ({string.Join(", ", entry.Shape)}); {wanted} is wanted");
    }

    // Without libtorch, so that files can be told about where there is none.
    private static double[] Numbers(SafetensorsFile file, string name, string wanted, int count)
    {
        var entry = Entry(file, name, wanted, entry => entry.DType == SafetensorsDType.F64 && entry.Shape is [var length] && length == count);
        var numbers = new double[count];
        file.ReadBytes(entry, MemoryMarshal.AsBytes(numbers.AsSpan()), 0);
        return numbers;
    }

    private static InvalidDataException Wrong(SafetensorsFile file, string name, string what) => new($"Tensor '{name}' in '{file.Path}' {what}.");

    private static string Text(double number) => number.ToString("G6", CultureInfo.InvariantCulture);
}
