using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>A layer of a direction: its shape, and what reads D, or in its place the spectrum, when its turn comes.</summary>
/// <param name="Name">The layer, without <c>.weight</c>.</param>
/// <param name="OutFeatures">d_out.</param>
/// <param name="InFeatures">d_in.</param>
/// <param name="DType">Format of D.</param>
/// <param name="Held">Columns of its left factor; d_in where D is held as a matrix.</param>
/// <param name="ReadMatrix">Reads D; what it returns is the caller's.</param>
internal sealed record DirectionLayer(string Name, long OutFeatures, long InFeatures, ScalarType DType, long Held, Func<LayerDirection> ReadMatrix)
{
    /// <summary>Passes D in blocks to <see cref="DirectionReader.DifferenceAction"/> and returns ‖D‖_F; null: only <see cref="ReadMatrix"/> reads it.</summary>
    public Func<DirectionReader.DifferenceAction, double>? ReadBlocks { get; init; }

    /// <summary>Reads the spectrum of a file that holds no more; what it returns is the caller's. Null: there is D.</summary>
    public Func<Spectrum>? ReadSpectrum { get; init; }

    /// <summary>The spectrum, made or read.</summary>
    /// <param name="rank">How many vectors are wanted.</param>
    /// <param name="device">Where to compute.</param>
    /// <exception cref="InvalidOperationException">More is wanted than a file of spectra keeps.</exception>
    public Spectrum Spectrum(SpectrumRank rank, Device device)
    {
        if (ReadSpectrum is null) return Alignment.Spectrum.Of(ReadMatrix(), rank, device);
        using var spectrum = ReadSpectrum();
        var kept = spectrum.Values.Length;
        // What the file keeps is what was asked for when it was made.
        var wanted = rank == default ? kept : rank.Energy is { } share ? spectrum.CountFor(share) : (int)Math.Min(rank.Vectors!.Value, Math.Min(OutFeatures, InFeatures));
        if (wanted is not { } count || count > kept)
            throw new InvalidOperationException($"{nameof(AlignmentPenaltyOptions.SpectrumRank)} is {rank}; the file keeps {kept} of {Math.Min(OutFeatures, InFeatures)} vectors of '{Name}', which hold {spectrum.Energy():0.000} of the direction's squared norm. Make a file that keeps more, or ask for less.");
        return spectrum.First(count);
    }

    /// <summary>A factor L with L·Lᵀ = D·Dᵀ, and ‖D‖_F: of a file of spectra, of what it keeps of D.</summary>
    public LayerDirection ReadLeft()
    {
        if (ReadSpectrum is null) return ReadMatrix();
        using var scope = NewDisposeScope();
        using var spectrum = ReadSpectrum();
        var vectors = spectrum.Vectors.to(DType);
        return new LayerDirection(vectors * tensor(spectrum.Values).to(DType), norm: spectrum.Norm);
    }
}
