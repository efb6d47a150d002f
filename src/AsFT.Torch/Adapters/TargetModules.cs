using AsFT.Torch.Models;

namespace AsFT.Torch.Adapters;

/// <summary>Finds layers by name, as PEFT's <c>target_modules</c> does.</summary>
internal static class TargetModules
{
    /// <summary>All linear layers but the head.</summary>
    public const string AllLinear = "all-linear";

    private static readonly string[] Heads = ["lm_head", "score"];

    // Layers that some families have in one.
    private static readonly (string Part, string Whole)[] Fused =
        [("q_proj", "qkv_proj"), ("k_proj", "qkv_proj"), ("v_proj", "qkv_proj"), ("gate_proj", "gate_up_proj"), ("up_proj", "gate_up_proj")];

    /// <summary>The layers that any of the targets names, in the model's order.</summary>
    /// <param name="layers">The model's linear layers.</param>
    /// <param name="targets">Full names, suffixes after a dot, or <see cref="AllLinear"/>.</param>
    /// <exception cref="ArgumentException">No target is given, or one names no layer.</exception>
    public static IReadOnlyList<LinearLayer> Select(IReadOnlyList<LinearLayer> layers, IReadOnlyList<string> targets)
    {
        ArgumentNullException.ThrowIfNull(layers);
        var names = Select([.. layers.Select(layer => layer.Name)], targets).ToHashSet();
        return [.. layers.Where(layer => names.Contains(layer.Name))];
    }

    /// <summary>The names that any of the targets names, in the given order.</summary>
    /// <param name="layerNames">Full names of the model's linear layers.</param>
    /// <param name="targets">Full names, suffixes after a dot, or <see cref="AllLinear"/>.</param>
    /// <exception cref="ArgumentException">No target is given, or one names no layer.</exception>
    public static IReadOnlyList<string> Select(IReadOnlyList<string> layerNames, IReadOnlyList<string> targets)
    {
        ArgumentNullException.ThrowIfNull(layerNames);
        ArgumentNullException.ThrowIfNull(targets);
        targets = Resolve(layerNames, targets);
        return [.. layerNames.Where(name => targets.Any(target => Matches(name, target)))];
    }

    /// <summary>
    /// The targets, where a model's projections are one layer with that layer for its parts: <c>q_proj</c> becomes <c>qkv_proj</c>, <c>up_proj</c>
    /// <c>gate_up_proj</c>.
    /// </summary>
    /// <param name="layerNames">Full names of the model's linear layers.</param>
    /// <param name="targets">Full names, suffixes after a dot, or <see cref="AllLinear"/>.</param>
    /// <exception cref="ArgumentException">No target is given, or one names no layer.</exception>
    public static IReadOnlyList<string> Resolve(IReadOnlyList<string> layerNames, IReadOnlyList<string> targets)
    {
        ArgumentNullException.ThrowIfNull(layerNames);
        ArgumentNullException.ThrowIfNull(targets);
        if (targets.Count == 0) throw new ArgumentException("TargetModules is empty; name at least one linear layer, such as q_proj, or all-linear.", nameof(targets));
        return [.. targets.Select(Resolved).Distinct()];

        bool IsThere(string target) => layerNames.Any(name => Matches(name, target));

        string Resolved(string target)
        {
            if (IsThere(target)) return target;
            var (start, part) = (target[..(target.LastIndexOf('.') + 1)], target[(target.LastIndexOf('.') + 1)..]);
            if (Array.Find(Fused, fused => fused.Part == part).Whole is { } whole && IsThere(start + whole)) return start + whole;
            throw new ArgumentException($"TargetModules names '{target}', which the model does not have. Its linear layers are: {string.Join(", ", Suffixes(layerNames))}; or use {AllLinear}.", nameof(targets));
        }
    }

    /// <summary>Whether a target (full name, suffix after a dot, or <see cref="AllLinear"/>) names a layer.</summary>
    /// <param name="layerName">Full name of the layer.</param>
    /// <param name="target">The target.</param>
    public static bool Matches(string layerName, string target) => target == AllLinear
        ? !Heads.Contains(layerName[(layerName.LastIndexOf('.') + 1)..])
        : layerName == target || layerName.EndsWith("." + target, StringComparison.Ordinal);

    private static IEnumerable<string> Suffixes(IEnumerable<string> layerNames) =>
        layerNames.Select(name => name[(name.LastIndexOf('.') + 1)..]).Distinct();
}
