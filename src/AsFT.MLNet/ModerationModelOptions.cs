using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judge: a Hugging Face Llama sequence-classification checkpoint in the form of beaver-dam-7b, see <see cref="ModerationModelJudge"/>.
/// A saved pipeline refers to its folder (path, size, SHA-256), or carries it whole.
/// </summary>
public sealed partial class ModerationModelOptions : HarmfulnessJudgeOptions
{
    /// <summary>Folder of the moderation model: <c>config.json</c>, safetensors weights and tokenizer files. Required.</summary>
    public string? ModelPath { get; set; }

    /// <summary><c>auto</c> (CUDA when there is one, else CPU), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>; null: as the MLContext says, see <see cref="AsftGenerateOptions.Device"/>.</summary>
    public string? Device { get; set; }

    /// <summary><c>auto</c> (bfloat16 on CUDA from compute capability 8 on, float32 elsewhere), <c>float32</c>, <c>bfloat16</c>, <c>float16</c> or <c>float64</c>.</summary>
    public string DType { get; set; } = "auto";

    /// <summary>Whether a saved <c>model.zip</c> carries the whole model folder instead of a reference to it.</summary>
    public bool SaveWholeModel { get; set; }

    /// <summary>How the model is used; each of its options is one of this class.</summary>
    [Flat]
    internal ModerationJudgeOptions Settings { get; set; } = new();

    internal override double? HarmfulAbove => Threshold;

    internal override string? JudgeName => "moderation-model";

    internal override void Validate()
    {
        Settings.Validate();
        ComputePlacement.Resolve(Device ?? "auto", DType);
    }

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        if (string.IsNullOrEmpty(ModelPath)) throw OptionsCheck.Wrong(nameof(ModelPath), "ModelPath is not set; it names the folder of the moderation model.");
        if (!Directory.Exists(ModelPath)) throw OptionsCheck.Wrong(nameof(ModelPath), $"ModelPath is '{ModelPath}'; there is no such folder.");
        // What is read later is read where it lies now.
        var folder = Path.GetFullPath(ModelPath);
        return new JudgeSource(ModerationModelJudge.ReadCategories(folder, Settings), () => Load(environment, folder)) { Model = new JudgeModel(folder, new Lazy<ModelReference>(() => ModelReference.Of(folder))) };
    }

    internal ModerationModelJudge Load(IHostEnvironment environment, string folder) => ModerationModelJudge.Load(folder, Settings, HostDefaults.Placement(environment, Device, DType));
}
