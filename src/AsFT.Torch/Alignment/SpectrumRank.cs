using System.Globalization;

namespace AsFT.Torch.Alignment;

/// <summary>How many singular vectors of D are kept: a number, as many as hold a share of ‖D‖²_F, or what suits the layer's size.</summary>
/// <param name="Vectors">Their number; more than there are: all. Null: not given.</param>
/// <param name="Energy">The share, in (0, 1). Null: not given.</param>
internal readonly record struct SpectrumRank(long? Vectors = null, double? Energy = null)
{
    /// <summary>The word for what suits the layer's size.</summary>
    public const string Auto = "auto";

    private const string AllWord = "all";

    /// <summary>Up to this d_out all vectors are kept where nothing else is asked for: they take no more room than the square of it.</summary>
    public const long ExactUpTo = 1024;

    /// <summary>Vectors kept of larger layers where nothing else is asked for.</summary>
    public const long AboveThat = 256;

    /// <summary>All of them.</summary>
    public static SpectrumRank All => new(long.MaxValue);

    /// <summary>Reads <c>auto</c>, <c>all</c>, a number such as <c>256</c>, or a share such as <c>0.95</c>.</summary>
    /// <exception cref="ArgumentException">It is none of these; names the option.</exception>
    public static SpectrumRank Parse(string? text, string option) => text switch
    {
        Auto => default,
        AllWord => All,
        _ when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1 => new(count),
        _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var share) && share is > 0 and < 1 => new(null, share),
        _ => throw new ArgumentException($"{option} is '{text}'; it is {Auto} (all vectors up to d_out = {ExactUpTo}, {AboveThat} above), {AllWord}, a number of vectors of at least 1, or the share of the direction's squared norm that they are to hold, such as 0.95.", option),
    };

    /// <summary>Vectors kept of a layer; null: D decides, as the share asks for.</summary>
    /// <param name="outFeatures">d_out.</param>
    /// <param name="smaller">The smaller side of D.</param>
    public long? Count(long outFeatures, long smaller) => Energy is not null ? null : Math.Min(smaller, Vectors ?? (outFeatures <= ExactUpTo ? smaller : AboveThat));

    /// <summary>Vectors kept of a layer at most: sorted by size, k of n numbers hold at least k/n of their sum.</summary>
    /// <param name="outFeatures">d_out.</param>
    /// <param name="smaller">The smaller side of D.</param>
    public long Most(long outFeatures, long smaller) => Count(outFeatures, smaller) ?? (long)Math.Ceiling(Energy!.Value * smaller);

    /// <inheritdoc/>
    public override string ToString() => this == default ? Auto : this == All ? AllWord : Energy?.ToString(CultureInfo.InvariantCulture) ?? $"{Vectors}";
}
