using System.Collections.Immutable;
using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Training;

namespace AsFT.MLNet;

/// <summary>
/// Options of <see cref="AsftFineTuneEstimator"/>. The defaults are those of the published AsFT code
/// (λ = 1, LoRA r = 8, α = 32, dropout 0.05 on q_proj and v_proj, learning rate 5e-5, batch 8, 10 epochs, 0.85 per epoch).
/// <see cref="Guard"/> and <see cref="Paper"/> are named sets of them to start from. Options of the engine are those of its own
/// records: <see cref="LoraOptions"/>, <see cref="AlignmentPenaltyOptions"/>, <see cref="TrainingOptions"/> and <see cref="GenerationOptions"/>.
/// </summary>
public sealed partial class AsftFineTuneOptions : AsftGenerateOptions
{
    private ImmutableHashSet<string> _set = [];

    /// <summary>Text column with the answer to learn. Read by training only; the transformer does not need it.</summary>
    public string ResponseColumnName { get; set; } = "Response";

    /// <summary>Folder of the aligned model that is fine-tuned: <c>config.json</c>, safetensors weights and tokenizer files. Required.</summary>
    public string? AlignedModelPath { get; set; }

    /// <summary>
    /// Folder of the base (not aligned) model of the same shape; the alignment direction is aligned − base.
    /// May be null when <see cref="DirectionPath"/> is given, <see cref="Projection"/> is <see cref="AlignmentProjection.None"/>, or <see cref="Lambda"/> is 0.
    /// With λ = 0 and a base model the penalty is measured though it does not act.
    /// </summary>
    public string? BaseModelPath { get; set; }

    /// <summary>
    /// PEFT folder of an adapter on the aligned model that is trained further, with a new optimizer and schedule; null: a new adapter is made. Rank, scale and
    /// layers are the adapter's own, and so is dropout unless <see cref="Dropout"/> is set; <see cref="Rank"/>, <see cref="Alpha"/>, <see cref="UseRsLora"/> and
    /// <see cref="TargetModules"/> that say otherwise are refused. The penalty counts the whole update B·A, what the adapter brings included, and refusals are
    /// held where the adapter has them when the run begins.
    /// </summary>
    public string? AdapterPath { get; set; }

    /// <summary>A saved alignment direction (safetensors), instead of <see cref="BaseModelPath"/>; null: built from the base model.</summary>
    public string? DirectionPath { get; set; }

    /// <inheritdoc cref="TrainingOptions.PenaltyWeight"/>
    public double Lambda
    {
        get => Training.PenaltyWeight;
        set
        {
            Training = Training with { PenaltyWeight = value };
            OnSet(nameof(Lambda));
        }
    }

    /// <summary>
    /// Instruction file, in the layouts that <c>LoadFromInstructionFile</c> reads by default, of a few dozen harmful requests (instruction,
    /// input) and how the aligned model refuses them (output). They are looked at, never trained on; take none that safety is measured on
    /// afterwards. Needed with <see cref="RefusalTolerance"/>, and only then; a loaded model no longer needs the file.
    /// </summary>
    public string? HeldOutRefusalsPath { get; set; }

    /// <summary>Tokens per row at most, at least 2. null: the model's number of positions.</summary>
    public int? MaxSequenceLength { get; set; }

    /// <summary>Whether a row without an answer, or whose prompt alone fills <see cref="MaxSequenceLength"/>, is an error. Otherwise such rows are left out, counted and warned of.</summary>
    public bool StrictRows { get; set; }

    /// <summary>Which answers of a conversation with several are learnt: all, or the last.</summary>
    public SupervisedTurns SupervisedTurns { get; set; }

    /// <summary>
    /// Share of the rows, in [0, 1), that is kept from training to measure the validation loss; drawn with <see cref="AsftGenerateOptions.Seed"/>.
    /// Must be 0 where validation rows are given to <see cref="AsftFineTuneEstimator.Fit(Microsoft.ML.IDataView, Microsoft.ML.IDataView)"/>.
    /// </summary>
    public double ValidationFraction { get; set; }

    /// <summary>Whether the direction may come from models whose files are quantised; it is mostly noise then, see <see cref="AlignmentDirection.Build"/>.</summary>
    public bool AllowQuantizedDirection { get; set; }

    /// <summary>Folder that gets the adapter in PEFT's layout after training; null: none.</summary>
    public string? AdapterOutputFolder { get; set; }

    /// <summary>
    /// What the adapter's configuration names as the model below it (<c>base_model_name_or_path</c>), for PEFT to load: a name on the Hub, or a path.
    /// Null: the Hub's name of a model in the Hub's cache, else the name of its folder, and never where it lies on this machine.
    /// </summary>
    public string? AdapterModelName { get; set; }

    /// <summary>Gets every training report, on the thread that calls Fit.</summary>
    [JsonIgnore]
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>The adapter; each of its options is one of this class, as are those of the following.</summary>
    [Flat]
    internal LoraOptions Adapter { get; set; } = new();

    /// <summary>The penalty.</summary>
    [Flat]
    internal AlignmentPenaltyOptions Penalty { get; set; } = new();

    /// <summary>The run, with <see cref="AsftGenerateOptions.Seed"/>.</summary>
    [Flat(nameof(TrainingOptions.PenaltyWeight), nameof(TrainingOptions.Seed))]
    internal TrainingOptions Training { get => field with { Seed = Seed ?? HostDefaults.DefaultSeed }; set; } = new();

    /// <summary>Gets the bytes that a run will need, and those that the device has where that is known, before weights are read.</summary>
    internal Action<MemoryPlan, long?>? MemoryPlanned { get; set; }

    /// <summary>Told what a run begins with, before each piece of work that can take long.</summary>
    internal Action<string>? StageBegun { get; set; }

    /// <summary>What the adapter's configuration names as the model below it.</summary>
    internal string NameOfModel() => AdapterModelName is { Length: > 0 } name ? name : PublicName.Of(Path.GetFullPath(AlignedModelPath!));

    /// <summary>A copy for a file that may be published: names instead of paths.</summary>
    internal AsftFineTuneOptions WithoutPlaces()
    {
        var copy = Copy();
        static string? Name(string? path) => path is null ? null : PublicName.Of(path);
        (copy.AlignedModelPath, copy.BaseModelPath, copy.DirectionPath) = (Name(AlignedModelPath), Name(BaseModelPath), Name(DirectionPath));
        (copy.HeldOutRefusalsPath, copy.CheckpointFolder, copy.AdapterPath, copy.AdapterOutputFolder) = (Name(HeldOutRefusalsPath), Name(CheckpointFolder), Name(AdapterPath), Name(AdapterOutputFolder));
        return copy;
    }

    /// <summary>Whether somebody set an option, be it to what it is by default.</summary>
    internal bool IsSet(string option) => _set.Contains(option);

    private void OnSet(string option) => _set = _set.Add(option);

    /// <summary>A copy that later changes of the original do not reach.</summary>
    internal AsftFineTuneOptions Copy() => (AsftFineTuneOptions)MemberwiseClone();
}
