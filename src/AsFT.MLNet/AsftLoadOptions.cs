using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.Extensions.AI;

namespace AsFT.MLNet;

/// <summary>How a saved pipeline with transformers of ours is loaded when something is not as it was saved.</summary>
public sealed class AsftLoadOptions
{
    private static readonly AsyncLocal<AsftLoadOptions?> Ambient = new();

    /// <summary>Folder of the aligned model; null: where it was. It must hold the same model, to the byte.</summary>
    public string? ModelPath { get; set; }

    /// <summary>Device, as <see cref="AsftGenerateOptions.Device"/>; null: as saved.</summary>
    public string? Device { get; set; }

    /// <summary>Number format, as <see cref="AsftGenerateOptions.DType"/>; null: as saved.</summary>
    public string? DType { get; set; }

    /// <summary>How weights are held, as <see cref="AsftGenerateOptions.WeightFormat"/>; null: as saved.</summary>
    public WeightFormat? WeightFormat { get; set; }

    /// <summary>
    /// Changes the saved options that concern answering: decoding, column names, cancellation. Training options have no effect
    /// any more. null: all as saved.
    /// </summary>
    public Action<AsftFineTuneOptions>? Configure { get; set; }

    /// <summary>Folder of the moderation model of a <see cref="HarmfulnessScoringTransformer"/>; null: where it was. It must hold the same model, to the byte.</summary>
    public string? JudgeModelPath { get; set; }

    /// <summary>The chat model of a scoring transformer that was saved with <see cref="ChatModelOptions"/>; a client cannot be saved. The caller disposes it.</summary>
    public IChatClient? ChatClient { get; set; }

    /// <summary>The judge of a scoring transformer that was saved with <see cref="CustomJudgeOptions"/>; it must have the same categories. The caller disposes it.</summary>
    public IHarmfulnessJudge? Judge { get; set; }

    /// <summary>Changes the saved options of scoring transformers: column names, thresholds, batches, cancellation. null: all as saved.</summary>
    public Action<ScoreHarmfulnessOptions>? ConfigureScoring { get; set; }

    /// <summary>
    /// Folders under which models may lie that a zip refers to; null: also where the model was when it was saved, if that is a local folder
    /// with exactly the recorded files. Beside the zip is always looked first. A zip of unknown origin names whatever folder it likes;
    /// with roots given, none outside of them is looked at.
    /// </summary>
    public IReadOnlyList<string>? ModelRoots { get; set; }

    /// <summary>The zip that is being loaded, where it is known.</summary>
    internal string? ZipPath { get; private set; }

    /// <summary>Its folder.</summary>
    internal string? ZipFolder => Path.GetDirectoryName(ZipPath);

    /// <summary>The options of the load that is under way in this flow of control.</summary>
    internal static AsftLoadOptions Current => Ambient.Value ?? new AsftLoadOptions();

    /// <summary>Makes sure that there is such a device, and that it computes in the format.</summary>
    /// <exception cref="ArgumentException">Device or DType is wrong, or not there.</exception>
    internal void CheckPlacement()
    {
        if (Device is null && DType is null) return;
        try
        {
            ComputePlacement.Resolve(Device ?? "auto", DType ?? "auto");
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"AsftLoadOptions: {e.Message}", e);
        }
    }

    /// <summary>Makes these options the current ones while an action runs. ML.NET's own loading has no room for them.</summary>
    internal T Use<T>(string zipPath, Func<T> action)
    {
        var before = Ambient.Value;
        var current = (AsftLoadOptions)MemberwiseClone();
        current.ZipPath = Path.GetFullPath(zipPath);
        Ambient.Value = current;
        try
        {
            return action();
        }
        finally
        {
            Ambient.Value = before;
        }
    }
}
