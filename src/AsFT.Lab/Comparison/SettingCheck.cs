using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;

namespace AsFT.Lab.Comparison;

/// <summary>What the model's shape alone says of settings, before the first run.</summary>
internal static class SettingCheck
{
    /// <summary>Makes sure that every setting names layers that the model has, and ranks that they allow.</summary>
    /// <exception cref="ArgumentException">One does not; names its method, and what is wanted.</exception>
    public static void RequireFit(ComparisonConfig config, IReadOnlyDictionary<string, IReadOnlyList<MethodSetting>> settings)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var model = CausalLanguageModel.Layout(ModelConfig.Load(config.Aligned));
        var layers = model.LinearLayers().ToDictionary(layer => layer.Name);
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

    private static void RequireFit(LinearLayer layer, MethodSetting setting)
    {
        var smaller = Math.Min(layer.OutFeatures, layer.InFeatures);
        if (setting.Adapter.Rank > smaller) throw new ArgumentException($"adapter.rank is {setting.Adapter.Rank}; layer '{layer.Name}' is {layer.OutFeatures} × {layer.InFeatures} and allows at most {smaller}.");
        if (setting.Method.Kind != MethodKind.Asft || setting.Penalty is not { Projection: AlignmentProjection.Subspace, SubspaceRank: { } rank }) return;
        var most = Math.Min(smaller, layer.OutFeatures - 1);
        if (rank > most) throw new ArgumentException($"penalty.subspaceRank is {rank}; layer '{layer.Name}' is {layer.OutFeatures} × {layer.InFeatures} and allows at most {most}.");
    }
}
