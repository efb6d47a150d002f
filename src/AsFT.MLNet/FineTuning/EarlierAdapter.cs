using AsFT.Torch.Adapters;
using AsFT.Torch.Models;

namespace AsFT.MLNet.FineTuning;

/// <summary>An adapter that there is already, on a model below it, looked at before the model's weights are read.</summary>
/// <param name="Options">Its shape and scale, and its layers by name.</param>
/// <param name="ModelLayers">Names of the model's linear layers.</param>
/// <param name="Doubt">What its files leave open about the model, in a sentence; null: nothing.</param>
internal sealed record EarlierAdapter(LoraOptions Options, IReadOnlyList<string> ModelLayers, string? Doubt)
{
    /// <summary>Reads an adapter and makes sure that it fits its model.</summary>
    /// <exception cref="InvalidDataException">It is damaged, does not fit, or is of another model and that is not allowed.</exception>
    public static EarlierAdapter Read(string modelFolder, string adapterFolder, bool allowOtherModel)
    {
        using var outline = CausalLanguageModel.Outline(modelFolder);
        using var adapter = LoraAdapter.Load(outline, adapterFolder, allowOtherModel: allowOtherModel);
        return new(adapter.Options with { TargetModules = [.. adapter.Layers.Select(layer => layer.Name)] }, [.. outline.LinearLayers().Select(layer => layer.Name)], DoubtOf(adapter, adapterFolder, modelFolder));
    }

    /// <summary>What an adapter's files leave open about the model that it is on, in a sentence; null: nothing.</summary>
    public static string? DoubtOf(LoraAdapter adapter, string adapterFolder, string modelFolder) => adapter.IsOfThisModel switch
    {
        null => $"The adapter in '{adapterFolder}' does not tell which model it was trained on; it is taken for one of '{modelFolder}'.",
        false => $"The adapter in '{adapterFolder}' was trained on another model than '{modelFolder}', as allowOtherModel (--allow-other-model) lets it.",
        _ => null,
    };

    /// <summary>Makes sure that no option asks for another adapter than this one.</summary>
    /// <exception cref="ArgumentException">One does; names it.</exception>
    public void RequireSame(AsftFineTuneOptions options)
    {
        Require(nameof(options.Rank), options.Rank, Options.Rank);
        Require(nameof(options.Alpha), options.Alpha, Options.Alpha);
        Require(nameof(options.UseRsLora), options.UseRsLora, Options.UseRsLora);
        if (options.IsSet(nameof(options.TargetModules))) Require(nameof(options.TargetModules), Shown(TargetModules.Select(ModelLayers, options.TargetModules)), Shown(Options.TargetModules));

        void Require<T>(string option, T asked, T has) where T : notnull
        {
            if (options.IsSet(option) && !asked.Equals(has))
                throw OptionsCheck.Wrong(option, $"{option} is {asked}; the adapter in '{options.AdapterPath}', which is trained further, has {has}. Leave {option} out, or AdapterPath.");
        }
    }

    private static string Shown(IReadOnlyList<string> layers) => string.Join(", ", layers);
}
