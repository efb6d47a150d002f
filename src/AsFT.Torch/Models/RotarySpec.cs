namespace AsFT.Torch.Models;

/// <summary>Rotary positions (Su et al., arXiv 2104.09864): frequencies θ^(−2i/d), perhaps scaled for longer contexts.</summary>
internal sealed record RotarySpec
{
    /// <summary>Base of the frequencies, θ.</summary>
    public double Theta { get; init; } = 10_000;

    /// <summary>Share of a head's numbers that are rotated, its first ones; in (0, 1].</summary>
    public double Share { get; init; } = 1;

    /// <summary>Scaling, or null.</summary>
    public RopeScaling? Scaling { get; init; }
}

/// <summary>RoPE scaling of <c>config.json</c>, by the names and formulas of Hugging Face transformers (<c>modeling_rope_utils</c>).</summary>
/// <param name="Type"><c>linear</c>, <c>dynamic</c>, <c>llama3</c>, <c>yarn</c> or <c>longrope</c>.</param>
/// <param name="Factor">How much longer contexts become; at least 1.</param>
/// <param name="LowFrequencyFactor">llama3: wavelengths above original positions / this are stretched in full.</param>
/// <param name="HighFrequencyFactor">llama3: wavelengths below original positions / this are kept.</param>
/// <param name="OriginalMaxPositions">All but linear: positions the model was first trained with.</param>
internal sealed record RopeScaling(string Type, double Factor, double LowFrequencyFactor = 1, double HighFrequencyFactor = 4, int OriginalMaxPositions = 8192)
{
    /// <summary>yarn, longrope: factor on cosine and sine.</summary>
    public double Magnitude { get; init; } = 1;

    /// <summary>yarn: dimensions that turn more often than this within the original positions are kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>yarn: dimensions that turn less often than this within the original positions are stretched in full.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>yarn: whether the bounds between kept and stretched dimensions are rounded to whole ones.</summary>
    public bool IsTruncated { get; init; } = true;

    /// <summary>longrope: divisor of each frequency in sequences of at most the original positions.</summary>
    public IReadOnlyList<double> ShortFactors { get; init; } = [];

    /// <summary>longrope: divisor of each frequency in longer sequences.</summary>
    public IReadOnlyList<double> LongFactors { get; init; } = [];
}
