using System.Text.Json.Serialization;
using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Alignment;
using AsFT.Torch.Training;

namespace AsFT.MLNet;

/// <summary>
/// Options of <see cref="AsftFineTuneEstimator"/>. The defaults are those of the published AsFT code
/// (λ = 1, LoRA r = 8, α = 32, dropout 0.05 on q_proj and v_proj, learning rate 5e-5, batch 8, 10 epochs, 0.85 per epoch).
/// <see cref="Guard"/> and <see cref="Paper"/> are named sets of them to start from.
/// </summary>
public sealed partial class AsftFineTuneOptions
{
    private double _lambda = 1, _subspaceEnergy = 0.9;
    private AlignmentProjection _projection = AlignmentProjection.Reference;
    private double? _refusalTolerance;
    private int? _subspaceRank;
    private int _guardPower = 2;
    private bool _includeLoraScale;

    /// <summary>Text column with what the user asks. Read by training and by the transformer.</summary>
    public string PromptColumnName { get; set; } = "Prompt";

    /// <summary>Text column with the answer to learn. Read by training only; the transformer does not need it.</summary>
    public string ResponseColumnName { get; set; } = "Response";

    /// <summary>
    /// Text column with a system message per row, used where it is there. Under another name than the default it must be there in training.
    /// null: not used, and said where the rows have a text column <c>System</c>.
    /// </summary>
    public string? SystemColumnName { get; set; } = PromptColumns.DefaultSystem;

    /// <summary>
    /// Text column with further input of the instruction (the <c>input</c> of the published layout), used where it is there: it follows the
    /// prompt after an empty line. Under another name than the default it must be there in training; to answer, rows may go without it.
    /// null: not used, and said where the rows have a text column <c>Context</c>.
    /// </summary>
    public string? ContextColumnName { get; set; } = PromptColumns.DefaultContext;

    /// <summary>Text column that the transformer adds: the generated answer.</summary>
    public string OutputColumnName { get; set; } = TextColumns.Generated;

    /// <summary>Folder of the aligned model that is fine-tuned: <c>config.json</c>, safetensors weights and tokenizer files. Required.</summary>
    public string? AlignedModelPath { get; set; }

    /// <summary>
    /// Folder of the base (not aligned) model of the same shape; the alignment direction is aligned − base.
    /// May be null when <see cref="DirectionPath"/> is given, <see cref="Projection"/> is <see cref="AlignmentProjection.None"/>, or <see cref="Lambda"/> is 0.
    /// With λ = 0 and a base model the penalty is measured though it does not act.
    /// </summary>
    public string? BaseModelPath { get; set; }

    /// <summary>A saved alignment direction (safetensors), instead of <see cref="BaseModelPath"/>; null: built from the base model.</summary>
    public string? DirectionPath { get; set; }

    /// <summary>
    /// Chat template: <c>auto</c> (the one that lies in the model's folder, or <c>llama2</c> with a warning where it has none), the name of one of several
    /// that lie there, or one of <see cref="AsFT.Torch.Chat.ChatTemplates.Names"/>: <c>llama2</c>, <c>llama3</c>, <c>alpaca</c>, <c>plain</c>, <c>chatml</c>.
    /// A trained model keeps the name of the one it was trained with.
    /// </summary>
    public string Template { get; set; } = AsFT.Torch.Chat.ChatTemplates.Auto;

    /// <summary>LoRA rank r, at least 1 and at most the smaller side of every target matrix.</summary>
    public int Rank { get; set; } = 8;

    /// <summary>LoRA scale numerator α, from 1e−6 to 1e6.</summary>
    public double Alpha { get; set; } = 32;

    /// <summary>Probability of dropping an input feature of the adapter in training, from 0 to 0.99.</summary>
    public double Dropout { get; set; } = 0.05;

    /// <summary>Linear layers to adapt: full names, suffixes such as <c>q_proj</c>, or <c>all-linear</c>.</summary>
    public string[] TargetModules { get; set; } = ["q_proj", "v_proj"];

    /// <summary>Scale the update by α/√r instead of α/r (rsLoRA).</summary>
    public bool UseRsLora { get; set; }

    /// <summary>λ, the weight of the alignment penalty: 0, or from 1e−12 to 1e12. Counts once per optimizer step.</summary>
    public double Lambda { get => _lambda; set => Choose(ref _lambda, value); }

    /// <summary>What the penalty leaves free, or, with <see cref="AlignmentProjection.Guard"/>, what it holds.</summary>
    public AlignmentProjection Projection { get => _projection; set => Choose(ref _projection, value); }

    /// <summary>k of <see cref="AlignmentProjection.Subspace"/>, at least 1; null: the fewest that hold <see cref="SubspaceEnergy"/>.</summary>
    public int? SubspaceRank { get => _subspaceRank; set => Choose(ref _subspaceRank, value); }

    /// <summary>Share of ‖D‖²_F that the subspace of <see cref="AlignmentProjection.Subspace"/> holds, in (0, 1].</summary>
    public double SubspaceEnergy { get => _subspaceEnergy; set => Choose(ref _subspaceEnergy, value); }

    /// <summary>
    /// q of <see cref="AlignmentProjection.Guard"/>, from 1 to 4: how much harder the outputs that alignment wrote to most are held than the rest.
    /// Other projections do not look at it.
    /// </summary>
    public int GuardPower { get => _guardPower; set => Choose(ref _guardPower, value); }

    /// <summary>
    /// Nats per token by which refusals that are not trained on may become less likely, positive; 0.003 is a good first choice.
    /// When set, λ is found during training, from <see cref="Lambda"/> as its start (positive; rather too high than too low, 10
    /// for <see cref="AlignmentProjection.Guard"/>), by looking at the refusals in <see cref="HeldOutRefusalsPath"/>. The training
    /// result has the λ found as <see cref="TrainingResult.PenaltyWeight"/>, and in <see cref="TrainingResult.Refusals"/> whether the refusals
    /// were held; where they were not, the log warns, too. Null: λ is fixed.
    /// </summary>
    public double? RefusalTolerance { get => _refusalTolerance; set => Choose(ref _refusalTolerance, value); }

    /// <summary>Optimizer steps between two looks at the held-out refusals, at least 1; null: 32 looks a run.</summary>
    public int? RefusalCheckEvery { get; set; }

    /// <summary>
    /// Instruction file, in the layouts that <c>LoadFromInstructionFile</c> reads by default, of a few dozen harmful requests (instruction,
    /// input) and how the aligned model refuses them (output). They are looked at, never trained on; take none that safety is measured on
    /// afterwards. Needed with <see cref="RefusalTolerance"/>, and only then; a loaded model no longer needs the file.
    /// </summary>
    public string? HeldOutRefusalsPath { get; set; }

    /// <summary>Whether the penalty sees the update with LoRA's scale α/r; the published code leaves it out.</summary>
    public bool IncludeLoraScale { get => _includeLoraScale; set => Choose(ref _includeLoraScale, value); }

    /// <summary>Adapted layers (names or suffixes) that may go without an alignment direction. Any other such layer is an error.</summary>
    public string[] UnprotectedLayers { get; set; } = [];

    /// <summary>Passes over the rows, at least 1.</summary>
    public int Epochs { get; set; } = 10;

    /// <summary>Rows per optimizer step, at least 1.</summary>
    public int BatchSize { get; set; } = 8;

    /// <summary>Rows per forward pass, at least 1; null: the whole batch. Smaller values need less memory and give the same step.</summary>
    public int? MicroBatchSize { get; set; }

    /// <summary>Whether activations are computed again for the gradient instead of kept: the same step in much less memory, for about a third more time.</summary>
    public bool ActivationCheckpointing { get; set; }

    /// <summary>Optimizer steps at most, at least 1; null: all epochs.</summary>
    public int? MaxSteps { get; set; }

    /// <summary>Peak learning rate, from 1e−12 to 1e30; what diverges is told by the run.</summary>
    public double LearningRate { get; set; } = 5e-5;

    /// <summary>How the learning rate changes over the run.</summary>
    public LearningRateSchedule Schedule { get; set; } = LearningRateSchedule.StepPerEpoch;

    /// <summary>Factor per epoch of <see cref="LearningRateSchedule.StepPerEpoch"/>, from 0.001 to 1.</summary>
    public double EpochDecay { get; set; } = 0.85;

    /// <summary>Share of all steps over which the rate rises to its peak, in [0, 1).</summary>
    public double WarmupRatio { get; set; }

    /// <summary>AdamW's decoupled weight decay, at least 0; its product with the rate must be below 1.</summary>
    public double WeightDecay { get; set; }

    /// <summary>AdamW's β₁, in [0, 1).</summary>
    public double Beta1 { get; set; } = 0.9;

    /// <summary>AdamW's β₂, in [0, 1).</summary>
    public double Beta2 { get; set; } = 0.999;

    /// <summary>AdamW's ε, from 1e−30 to 1.</summary>
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Largest norm of the whole gradient, from 1e−6 to 1e30; null: not clipped.</summary>
    public double? MaxGradientNorm { get; set; }

    /// <summary>Whether each epoch takes the rows in a new random order.</summary>
    public bool Shuffle { get; set; } = true;

    /// <summary>Whether shuffled batches hold rows of similar length, so that little is padding.</summary>
    public bool GroupByLength { get; set; } = true;

    /// <summary>Tokens per row at most, at least 2. null: the model's number of positions.</summary>
    public int? MaxSequenceLength { get; set; }

    /// <summary>
    /// What is done with training rows that are longer; what is cut or dropped is counted, warned of and in <see cref="TrainingResult.Rows"/>.
    /// With <see cref="OverlongRows.Refuse"/> the transformer refuses prompts that it would have to cut, too; else it cuts and warns.
    /// </summary>
    public OverlongRows Overlong { get; set; }

    /// <summary>Whether a row without an answer, or whose prompt alone fills <see cref="MaxSequenceLength"/>, is an error. Otherwise such rows are left out, counted and warned of.</summary>
    public bool StrictRows { get; set; }

    /// <summary>
    /// Share of the rows, in [0, 1), that is kept from training to measure the validation loss; drawn with <see cref="Seed"/>.
    /// Must be 0 where validation rows are given to <see cref="AsftFineTuneEstimator.Fit(Microsoft.ML.IDataView, Microsoft.ML.IDataView)"/>.
    /// </summary>
    public double ValidationFraction { get; set; }

    /// <summary>Epochs without a better validation loss before the run stops and goes back to the best adapter, at least 1; null: never.</summary>
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>Folder for training checkpoints; null: none are written.</summary>
    public string? CheckpointFolder { get; set; }

    /// <summary>Optimizer steps between training checkpoints, at least 1; null: one at the end of each epoch.</summary>
    public int? CheckpointEvery { get; set; }

    /// <summary>Whether to go on from the training checkpoint in <see cref="CheckpointFolder"/>, when there is one.</summary>
    public bool Resume { get; set; }

    /// <summary>Optimizer steps between two reports, at least 1; the first step reports too.</summary>
    public int ReportEvery { get; set; } = 10;

    /// <summary>Whether reports tell the share of the update inside the anchored subspace.</summary>
    public bool MeasureAnchoredShare { get; set; } = true;

    /// <summary>
    /// <c>auto</c> (CUDA when there is one, else CPU), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>. null: the MLContext's <c>GpuDeviceId</c>,
    /// or the CPU where there is no such GPU and its <c>FallbackToCpu</c> is set; without a GpuDeviceId, <c>auto</c>.
    /// </summary>
    public string? Device { get; set; }

    /// <summary><c>auto</c> (bfloat16 on CUDA from compute capability 8 on, float32 elsewhere), <c>float32</c>, <c>bfloat16</c> or <c>float64</c>; float16 is for answering alone.</summary>
    public string DType { get; set; } = "auto";

    /// <summary>Seed of everything random: adapter initialisation, dropout, order of rows, validation split and sampling. null: the MLContext's seed, or 42 without one.</summary>
    public long? Seed { get; set; }

    /// <summary>New tokens per generated answer at most, at least 1. A prompt is cut so that this much of the model's positions is left for the answer.</summary>
    public int MaxNewTokens { get; set; } = 256;

    /// <summary>0 decodes greedily; from 0.001 to 100, answers are sampled at this temperature.</summary>
    public double Temperature { get; set; }

    /// <summary>Sampling keeps the fewest tokens whose probabilities add up to this, in (0, 1].</summary>
    public double TopP { get; set; } = 1;

    /// <summary>Sampling keeps this many tokens, at least 1; null: all.</summary>
    public int? TopK { get; set; }

    /// <summary>Weakens tokens already in the sequence, from 0.01 to 100; 1: off.</summary>
    public double RepetitionPenalty { get; set; } = 1;

    /// <summary>An answer ends before the first of these.</summary>
    public string[] StopStrings { get; set; } = [];

    /// <summary>Rows that the transformer's cursor reads ahead and answers in one batch, at least 1.</summary>
    public int GenerationBatchSize { get; set; } = 16;

    /// <summary>Folder that gets the adapter in PEFT's layout after training; null: none.</summary>
    public string? AdapterOutputFolder { get; set; }

    /// <summary>
    /// What the adapter's configuration names as the model below it (<c>base_model_name_or_path</c>), for PEFT to load: a name on the Hub, or a path.
    /// Null: the Hub's name of a model in the Hub's cache, else the name of its folder, and never where it lies on this machine.
    /// </summary>
    public string? AdapterModelName { get; set; }

    /// <summary>
    /// Whether a saved <c>model.zip</c> carries the whole model folder. Otherwise it carries the adapter and a reference
    /// (path, size, SHA-256) to <see cref="AlignedModelPath"/>.
    /// </summary>
    public bool SaveWholeModel { get; set; }

    /// <summary>Gets every training report, on the thread that calls Fit.</summary>
    [JsonIgnore]
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Stops Fit between optimizer steps, and generation between tokens. Cancelling the MLContext does the same for Fit.</summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; set; }

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
        (copy.HeldOutRefusalsPath, copy.CheckpointFolder, copy.AdapterOutputFolder) = (Name(HeldOutRefusalsPath), Name(CheckpointFolder), Name(AdapterOutputFolder));
        return copy;
    }

    /// <summary>A copy that later changes of the original do not reach.</summary>
    internal AsftFineTuneOptions Copy() => OptionsCheck.WithOwnArrays((AsftFineTuneOptions)MemberwiseClone());
}
