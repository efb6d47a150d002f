using AsFT.Torch.Checkpoints;

namespace AsFT.Torch.Models.Families;

/// <summary>Reads rotary positions: <c>rope_theta</c> and <c>rope_scaling</c> of transformers 4, <c>rope_parameters</c> of 5.</summary>
internal static class RopeFields
{
    private const string Full = "full_attention";
    private const string Local = "sliding_attention";

    /// <summary>Rotary positions that all layers share.</summary>
    /// <param name="json">The text model's part of the file.</param>
    /// <param name="sizes">Head size and longest sequence.</param>
    /// <param name="theta">The family's base, where the file has none.</param>
    /// <param name="isShareAllowed">Whether the family rotates a share of each head where the file says so.</param>
    /// <param name="originalMaxPositions">The family's <c>original_max_position_embeddings</c>; null: the longest sequence.</param>
    public static RotarySpec Read(ConfigObject json, ModelConfig sizes, double theta = 10_000, bool isShareAllowed = false, int? originalMaxPositions = null)
    {
        var parameters = json.Object("rope_parameters");
        if (parameters?.Field(Full) is not null || parameters?.Field(Local) is not null)
            throw json.Wrong("rope_parameters", "one for each kind of layer", "one for all is wanted with this model_type");
        var share = parameters?.Positive("partial_rotary_factor") ?? json.Positive("partial_rotary_factor") ?? 1;
        if (share > 1 || (share != 1 && !isShareAllowed))
            throw json.Wrong("partial_rotary_factor", $"{share}", isShareAllowed ? "at most 1 is wanted" : "only rotation of whole heads, 1, is computed for this model_type");
        var width = (int)(sizes.HeadSize * share);
        if (width % 2 != 0 || width == 0) throw json.Wrong("partial_rotary_factor", $"{share}", $"of heads of {sizes.HeadSize} an even number must be rotated");
        return new RotarySpec
        {
            Theta = Base(json) ?? (parameters is { } fields ? Base(fields) : null) ?? theta,
            Share = share,
            Scaling = json.Object("rope_scaling") is { } scaling ? Scaling(json, scaling, Type(scaling), sizes, width, originalMaxPositions)
                : parameters is { } rope ? Scaling(json, rope, rope.Text("rope_type") ?? "default", sizes, width, originalMaxPositions) : null,
        };
    }

    /// <summary>Rotary positions of layers without and with a window.</summary>
    public static (RotarySpec Full, RotarySpec Local) ReadTwo(ConfigObject json, ModelConfig sizes, double fullTheta, double localTheta)
    {
        if (json.Object("rope_parameters") is not { } parameters || (parameters.Object(Full) is null && parameters.Object(Local) is null))
            return (Read(json, sizes, fullTheta), new RotarySpec { Theta = json.Positive("rope_local_base_freq") ?? localTheta });
        return (One(parameters.Object(Full), fullTheta), One(parameters.Object(Local), localTheta));

        RotarySpec One(ConfigObject? rope, double theta) => rope is not { } fields ? new RotarySpec { Theta = theta } : new RotarySpec
        {
            Theta = Base(fields) ?? theta,
            Scaling = Scaling(json, fields, fields.Text("rope_type") ?? "default", sizes, sizes.HeadSize, null),
        };
    }

    private static double? Base(ConfigObject json) => json.Positive("rope_theta") is not { } theta ? null
        : theta > 1 ? theta : throw json.Wrong("rope_theta", $"{theta}", "a number above 1 is wanted");

    private static string Type(ConfigObject rope) =>
        rope.Text("rope_type") ?? rope.Text("type") ?? throw rope.Wrong("rope_type", "missing", "for instance linear or llama3 is wanted");

    private static RopeScaling? Scaling(ConfigObject json, ConfigObject rope, string type, ModelConfig sizes, int width, int? familyOriginal)
    {
        int Original() => rope.Size("original_max_position_embeddings") ?? json.Size("original_max_position_embeddings") ?? familyOriginal ?? sizes.MaxPositions;
        switch (type)
        {
            case "default":
                return null;
            case "linear":
                return new RopeScaling("linear", Factor(rope));
            case "dynamic":
                return new RopeScaling("dynamic", Factor(rope), OriginalMaxPositions: sizes.MaxPositions);
            case "llama3":
                var (low, high) = (rope.RequiredPositive("low_freq_factor"), rope.RequiredPositive("high_freq_factor"));
                return low < high
                    ? new RopeScaling("llama3", Factor(rope), low, high, rope.Size("original_max_position_embeddings") ?? sizes.MaxPositions)
                    : throw rope.Wrong("high_freq_factor", $"{high}", $"more than low_freq_factor, {low}, is wanted");
            case "yarn":
                return Yarn(rope, Original());
            // su: longrope's name in the first Phi-3 files.
            case "longrope" or "su":
                return LongRope(rope, Original(), sizes, width);
            default:
                throw rope.Wrong("rope_type", $"'{SafetensorsHeader.Shown(type)}'", "only default, linear, dynamic, llama3, yarn and longrope are computed");
        }
    }

    private static RopeScaling Yarn(ConfigObject rope, int original)
    {
        var factor = Factor(rope);
        double Magnitude(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
        var (scale, all) = (rope.Positive("mscale"), rope.Positive("mscale_all_dim"));
        var (fast, slow) = (rope.Positive("beta_fast") ?? 32, rope.Positive("beta_slow") ?? 1);
        if (fast < slow) throw rope.Wrong("beta_fast", $"{fast}", $"at least beta_slow, {slow}, is wanted");
        return new RopeScaling("yarn", factor, OriginalMaxPositions: original)
        {
            Magnitude = rope.Positive("attention_factor") ?? (scale is { } s && all is { } a ? Magnitude(s) / Magnitude(a) : Magnitude(1)),
            BetaFast = fast,
            BetaSlow = slow,
            IsTruncated = rope.Flag("truncate", missing: true),
        };
    }

    private static RopeScaling LongRope(ConfigObject rope, int original, ModelConfig sizes, int width)
    {
        foreach (var field in new[] { "short_mscale", "long_mscale" })
            if (rope.Field(field) is not null) throw rope.Wrong(field, "set", "only attention_factor is computed");
        if (original < 2) throw rope.Wrong("original_max_position_embeddings", $"{original}", "at least 2 is wanted");
        var factor = original < sizes.MaxPositions ? (double)sizes.MaxPositions / original : rope.Positive("factor") ?? 1;
        return new RopeScaling("longrope", factor, OriginalMaxPositions: original)
        {
            Magnitude = rope.Positive("attention_factor") ?? (factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(original))),
            ShortFactors = Divisors("short_factor"),
            LongFactors = Divisors("long_factor"),
        };

        IReadOnlyList<double> Divisors(string field)
        {
            var numbers = rope.Numbers(field) ?? throw rope.Wrong(field, "missing", $"{width / 2} numbers are wanted");
            if (numbers.Count != width / 2 || numbers.Any(number => !(number > 0)))
                throw rope.Wrong(field, $"a list of {numbers.Count}", $"{width / 2} positive numbers are wanted, one for each pair that is rotated");
            return numbers;
        }
    }

    private static double Factor(ConfigObject rope)
    {
        var factor = rope.RequiredPositive("factor");
        return factor >= 1 ? factor : throw rope.Wrong("factor", $"{factor}", "a number from 1 is wanted");
    }
}
