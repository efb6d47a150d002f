using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>How a direction is written.</summary>
public sealed record AlignmentDirectionFormat
{
    /// <summary>How matrices are held.</summary>
    public AlignmentDirectionEncoding Encoding { get; init; }

    /// <summary>
    /// k of <see cref="AlignmentDirectionEncoding.Factors"/>, at least 1; layers with a smaller side than k are kept whole. Of
    /// <see cref="AlignmentDirectionEncoding.Spectrum"/>: vectors kept per layer; null: all. Null with any other encoding.
    /// </summary>
    public int? Rank { get; init; }

    /// <summary>Format of the vectors of <see cref="AlignmentDirectionEncoding.Spectrum"/>: bfloat16, float32 or float64. Other encodings do not look at it.</summary>
    public ScalarType VectorDType { get; init; } = ScalarType.BFloat16;

    /// <summary>Where spectra are computed; null: on the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>What tells the aligned checkpoint from others. Null: unknown.</summary>
    public string? AlignedFingerprint { get; init; }

    /// <summary>What tells the base checkpoint from others. Null: unknown.</summary>
    public string? BaseFingerprint { get; init; }

    internal void Validate()
    {
        if (!Enum.IsDefined(Encoding)) throw new ArgumentOutOfRangeException("encoding", Encoding, "Not an encoding.");
        if (VectorDType is not (ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentOutOfRangeException(nameof(VectorDType), VectorDType, "The vectors' format must be bfloat16, float32 or float64.");
        if (Encoding == AlignmentDirectionEncoding.Spectrum)
        {
            if (Rank < 1) throw new ArgumentOutOfRangeException("rank", Rank, "A spectrum keeps at least 1 vector.");
            return;
        }
        if (Encoding == AlignmentDirectionEncoding.Factors ? Rank is null or < 1 : Rank is not null)
            throw new ArgumentException($"A rank of at least 1 belongs to {AlignmentDirectionEncoding.Factors} and to none that holds D whole; found encoding {Encoding} and rank {Rank?.ToString() ?? "none"}.", "rank");
    }
}

/// <summary>A layer of a direction in a file.</summary>
/// <param name="Name">The layer, without <c>.weight</c>.</param>
/// <param name="Norm">‖D‖_F before the encoding; 0 means that the two models agree there, so nothing is protected.</param>
public readonly record struct AlignmentDirectionLayer(string Name, double Norm);
