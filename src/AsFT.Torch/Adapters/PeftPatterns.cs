using System.Text.Json;
using System.Text.RegularExpressions;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.Torch.Adapters;

/// <summary>Which layers the fields of <c>adapter_config.json</c> are about, by PEFT's rules.</summary>
internal sealed class PeftPatterns
{
    private readonly Func<string, bool>? _isTarget;
    private readonly IReadOnlyList<(Func<string, Match> Name, double Value)> _ranks;
    private readonly IReadOnlyList<(Func<string, Match> Name, double Value)> _alphas;

    /// <summary>Reads the fields.</summary>
    /// <exception cref="InvalidDataException">One is of the wrong kind, or no regular expression; names it.</exception>
    public PeftPatterns(ConfigObject config)
    {
        _ranks = Values(config, "rank_pattern");
        _alphas = Values(config, "alpha_pattern");
        if (Names(config, "target_modules") is not { } isNamed) return;
        var isExcluded = Names(config, "exclude_modules") ?? (_ => false);
        var isInDepth = Depth(config);
        // A full name counts at any depth.
        var whole = config.Field("target_modules") is { ValueKind: JsonValueKind.Array } ? Texts(config, "target_modules").ToHashSet(StringComparer.Ordinal) : [];
        _isTarget = name => isNamed(name) && !isExcluded(name) && (whole.Contains(name) || isInDepth(name));
    }

    /// <summary>The layers that the adapter has, of those of a model; null where the configuration leaves it open.</summary>
    public IEnumerable<string>? Targets(IEnumerable<string> layers) => _isTarget is null ? null : layers.Where(_isTarget);

    /// <summary>Rank of a layer where <c>rank_pattern</c> names it.</summary>
    public double? Rank(string layer) => First(_ranks, layer);

    /// <summary>α of a layer where <c>alpha_pattern</c> names it.</summary>
    public double? Alpha(string layer) => First(_alphas, layer);

    private static double? First(IReadOnlyList<(Func<string, Match> Name, double Value)> values, string layer)
    {
        foreach (var (name, value) in values)
            if (name(layer).Success) return value;
        return null;
    }

    private static List<(Func<string, Match> Name, double Value)> Values(ConfigObject config, string field)
    {
        var values = new List<(Func<string, Match>, double)>();
        if (config.Object(field) is not { } patterns) return values;
        // A key is the end of a layer's name, or an expression for it.
        foreach (var pattern in patterns.Properties())
            values.Add((Expression(config, field, $@"^(.*\.)?({pattern.Name})$"), patterns.Positive(pattern.Name) ?? throw patterns.Wrong(pattern.Name, "null", "a positive number is wanted")));
        return values;
    }

    // A list of names or of their ends, or one expression for whole names.
    private static Func<string, bool>? Names(ConfigObject config, string field)
    {
        if (config.Field(field) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text != TargetModules.AllLinear)
        {
            var whole = Expression(config, field, $"^(?:{text})$");
            return layer => whole(layer).Success;
        }
        var names = Texts(config, field);
        return names.Count == 0 ? null : layer => names.Any(name => TargetModules.Matches(layer, name));
    }

    // Layers by number: the one behind the name of the list they lie in.
    private static Func<string, bool> Depth(ConfigObject config)
    {
        var numbers = config.Tokens("layers_to_transform");
        if (numbers.Count == 0) return _ => true;
        var lists = Texts(config, "layers_pattern");
        var depth = Expression(config, "layers_pattern", $@"^.*\.{(lists.Count == 0 ? "[^.]*" : $"(?:{string.Join('|', lists)})")}\.([0-9]{{1,9}})\.");
        return layer => depth(layer) is { Success: true } match && numbers.Contains(int.Parse(match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A text, or a list of texts; empty where the field is missing.</summary>
    public static IReadOnlyList<string> Texts(ConfigObject config, string field) => config.Field(field) switch
    {
        null => [],
        { ValueKind: JsonValueKind.String } text => [text.GetString()!],
        { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) => [.. list.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw config.Wrong(field, "neither a text nor a list of texts", "names of layers are wanted"),
    };

    private static Func<string, Match> Expression(ConfigObject config, string field, string pattern)
    {
        try
        {
            var expression = FileExpression.Create(pattern);
            return layer =>
            {
                try
                {
                    return expression.Match(layer);
                }
                catch (RegexMatchTimeoutException e)
                {
                    throw FileExpression.TooSlow(config.Path, e, layer.Length);
                }
            };
        }
        catch (RegexParseException e)
        {
            throw config.Wrong(field, $"'{SafetensorsHeader.Shown(pattern)}'", $"a regular expression is wanted ({e.Message})");
        }
    }
}
