namespace AsFT.Torch.Models;

/// <summary>Frequencies of rotary positions, by scaling and length of the sequence.</summary>
internal static class RotaryFrequencies
{
    /// <summary>Whether a sequence is so long that it has other frequencies than shorter ones.</summary>
    public static bool IsBeyond(RotarySpec rotary, long length) => rotary.Scaling is { Type: "longrope" or "dynamic" } scaling && length > scaling.OriginalMaxPositions;

    /// <summary>
    /// The longest sequence that has the frequencies of one of <paramref name="length"/> tokens. In a longer one all tokens must be computed
    /// again, for the keys before were turned by other angles.
    /// </summary>
    public static long SameUpTo(RotarySpec rotary, long length) => rotary.Scaling is not { Type: "longrope" or "dynamic" } scaling ? long.MaxValue
        : !IsBeyond(rotary, length) ? scaling.OriginalMaxPositions
        : scaling.Type == "dynamic" ? length : long.MaxValue;

    /// <summary>Radians per position of each pair of numbers, in a sequence of <paramref name="length"/> tokens.</summary>
    /// <param name="rotary">Base and scaling.</param>
    /// <param name="width">Rotated numbers of a head, d.</param>
    /// <param name="length">Tokens of the sequence.</param>
    public static double[] At(RotarySpec rotary, int width, long length)
    {
        var theta = rotary.Theta;
        // NTK-aware scaling that grows with the sequence: the base is raised so that the slowest pair is stretched by what the length needs.
        if (rotary.Scaling is { Type: "dynamic" } dynamic && IsBeyond(rotary, length))
            theta *= Math.Pow(dynamic.Factor * length / dynamic.OriginalMaxPositions - (dynamic.Factor - 1), width / (width - 2.0));
        var frequencies = new double[width / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = Math.Pow(theta, -2.0 * i / width);
        switch (rotary.Scaling)
        {
            case { Type: "linear" } linear:
                return [.. frequencies.Select(frequency => frequency / linear.Factor)];
            case { Type: "llama3" } llama:
                return [.. frequencies.Select(frequency => Llama3(frequency, llama))];
            case { Type: "longrope" } scaling:
                var divisors = IsBeyond(rotary, length) ? scaling.LongFactors : scaling.ShortFactors;
                return [.. frequencies.Zip(divisors, (frequency, divisor) => frequency / divisor)];
            case { Type: "yarn" } yarn:
                return Yarn(frequencies, theta, width, yarn);
            default:
                return frequencies;
        }
    }

    // The Llama 3.1 rule: long wavelengths are stretched by the factor, short ones kept, those between blended.
    private static double Llama3(double frequency, RopeScaling scaling)
    {
        var wavelength = 2 * Math.PI / frequency;
        if (wavelength < scaling.OriginalMaxPositions / scaling.HighFrequencyFactor) return frequency;
        if (wavelength > scaling.OriginalMaxPositions / scaling.LowFrequencyFactor) return frequency / scaling.Factor;
        var blend = (scaling.OriginalMaxPositions / wavelength - scaling.LowFrequencyFactor)
            / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return (1 - blend) * frequency / scaling.Factor + blend * frequency;
    }

    // YaRN (Peng et al., arXiv 2309.00071): pairs that turn often are kept, those that turn seldom stretched, a ramp between them.
    private static double[] Yarn(double[] frequencies, double theta, int width, RopeScaling scaling)
    {
        // The pair that turns so many times within the original positions.
        double Pair(double turns) => width * Math.Log(scaling.OriginalMaxPositions / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
        var (low, high) = (Pair(scaling.BetaFast), Pair(scaling.BetaSlow));
        if (scaling.IsTruncated) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, width - 1));
        if (low == high) high += 0.001;
        return [.. frequencies.Select((frequency, i) =>
        {
            var stretched = Math.Clamp((i - low) / (high - low), 0, 1);
            return frequency / scaling.Factor * stretched + frequency * (1 - stretched);
        })];
    }
}
