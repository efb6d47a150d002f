using System.CommandLine;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Cli.Answering;

/// <summary>Puts a PEFT adapter on a model that the user names, and says what its files leave open.</summary>
internal static class AdapterOnModel
{
    public static Option<bool> NewOption() => new("--allow-other-model") { Description = "Let the adapter go onto another model of the same shape than the one it was trained on" };

    /// <summary>Reads and attaches an adapter.</summary>
    /// <exception cref="InvalidDataException">It is damaged, does not fit, or is of another model and that is not allowed.</exception>
    public static LoraAdapter Load(ToolRun run, CausalLanguageModel model, string modelFolder, string adapterFolder, bool allowOtherModel)
    {
        var adapter = LoraAdapter.Load(model, adapterFolder, allowOtherModel: allowOtherModel);
        if (EarlierAdapter.DoubtOf(adapter, adapterFolder, modelFolder) is { } doubt) run.Warn(doubt);
        // It corrects the weights it was trained on, their rounding included.
        if (adapter.WeightFormat is var trained && model.Format is var held && trained != held)
            run.Note($"The adapter in '{adapterFolder}' was trained on weights held as {trained}; those of '{modelFolder}' are {held} here.");
        return adapter;
    }
}
