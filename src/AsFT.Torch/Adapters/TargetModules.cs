using AsFT.Torch.Models;

namespace AsFT.Torch.Adapters;

/// <summary>Finds layers by name, as PEFT's <c>target_modules</c> does.</summary>
public static class TargetModules
{
    /// <summary>All linear layers but the head.</summary>
    public const string AllLinear = "all-linear";

    private static readonly string[] Heads = ["lm_head", "score"];

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
        if (targets.Count == 0) throw new ArgumentException("TargetModules is empty; name at least one linear layer, such as q_proj, or all-linear.", nameof(targets));
        foreach (var target in targets)
            if (!layerNames.Any(name => Matches(name, target)))
                throw new ArgumentException($"TargetModules names '{target}', which the model does not have. Its linear layers are: {string.Join(", ", Suffixes(layerNames))}; or use {AllLinear}.", nameof(targets));
        return [.. layerNames.Where(name => targets.Any(target => Matches(name, target)))];
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
