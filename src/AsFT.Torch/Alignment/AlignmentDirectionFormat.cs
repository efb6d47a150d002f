namespace AsFT.Torch.Alignment;

/// <summary>What <see cref="AlignmentDirection.BuildToFile"/> writes.</summary>
public sealed record AlignmentDirectionFormat
{
    /// <summary>How matrices are held.</summary>
    public AlignmentDirectionEncoding Encoding { get; init; }

    /// <summary>k of <see cref="AlignmentDirectionEncoding.Factors"/>, at least 1; null with any other encoding. Layers with a smaller side than k are kept whole.</summary>
    public int? Rank { get; init; }

    /// <summary>What tells the aligned checkpoint from others. Null: unknown.</summary>
    public string? AlignedFingerprint { get; init; }

    /// <summary>What tells the base checkpoint from others. Null: unknown.</summary>
    public string? BaseFingerprint { get; init; }

    internal void Validate()
    {
        if (!Enum.IsDefined(Encoding)) throw new ArgumentOutOfRangeException("encoding", Encoding, "Not an encoding.");
        if (Encoding == AlignmentDirectionEncoding.Factors ? Rank is null or < 1 : Rank is not null)
            throw new ArgumentException($"A rank of at least 1 belongs to {AlignmentDirectionEncoding.Factors} and to no other encoding; found encoding {Encoding} and rank {Rank?.ToString() ?? "none"}.", "rank");
    }
}

/// <summary>A layer of a direction in a file.</summary>
/// <param name="Name">The layer, without <c>.weight</c>.</param>
/// <param name="Norm">‖D‖_F before the encoding; 0 means that the two models agree there, so nothing is protected.</param>
public readonly record struct AlignmentDirectionLayer(string Name, double Norm);
