using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

namespace AsFT.Lab.Comparison;

/// <summary>What the model's shape alone says of settings, before the first run.</summary>
internal static class SettingCheck
{
    /// <summary>Makes sure that every setting names layers that the model has, and ranks that they allow.</summary>
    /// <exception cref="ArgumentException">One does not; names its method, and what is wanted.</exception>
    public static void RequireFit(ComparisonConfig config, IReadOnlyDictionary<string, IReadOnlyList<MethodSetting>> settings)
    {
        var layers = ModelShapes.Of(ModelConfig.Load(config.Aligned)).Linear.ToDictionary(layer => layer.Name);
        foreach (var (method, all) in settings)
            foreach (var setting in all.Where(setting => setting.Method.Kind != MethodKind.NoTuning))
                try
                {
                    foreach (var name in TargetModules.Select([.. layers.Keys], setting.Adapter.TargetModules)) RequireFit(layers[name], setting);
                }
                catch (ArgumentException e)
                {
                    throw new ArgumentException($"methods: '{method}'{(setting.Label.Length > 0 ? $", {setting.Label}" : "")}: {e.Message}", e);
                }
    }

    private static void RequireFit(LayerShape layer, MethodSetting setting)
    {
        var smaller = Math.Min(layer.Out, layer.In);
        if (setting.Adapter.Rank > smaller) throw new ArgumentException($"adapter.rank is {setting.Adapter.Rank}; layer '{layer.Name}' is {layer.Out} × {layer.In} and allows at most {smaller}.");
        if (setting.Method.Kind != MethodKind.Asft || setting.Penalty is not { Projection: AlignmentProjection.Subspace, SubspaceRank: { } rank }) return;
        var most = Math.Min(smaller, layer.Out - 1);
        if (rank > most) throw new ArgumentException($"penalty.subspaceRank is {rank}; layer '{layer.Name}' is {layer.Out} × {layer.In} and allows at most {most}.");
    }
}
