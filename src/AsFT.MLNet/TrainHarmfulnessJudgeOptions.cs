using System.Diagnostics.CodeAnalysis;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Training;

namespace AsFT.MLNet;

/// <summary>Options of <see cref="HarmfulnessJudgeEstimator"/>: data, model, training, and how the trained judge scores.</summary>
public sealed partial class TrainHarmfulnessJudgeOptions
{
    /// <summary>Text column with what was asked.</summary>
    public string PromptColumnName { get; set; } = "Prompt";

    /// <summary>Text column with further input of the prompt, used where it is there, after an empty line; null: not used.</summary>
    public string? ContextColumnName { get; set; } = PromptColumns.DefaultContext;

    /// <summary>Text column with what was answered.</summary>
    public string ResponseColumnName { get; set; } = "Response";

    /// <summary>
    /// Column with what is harmful about the answer: one bool, which makes a judge of one category, <see cref="CategoryName"/>; or a vector of
    /// bools or floats (above 0.5 counts) with one slot per category and slot names, as <c>mlContext.Data.LoadFromBeaverTailsFile</c> yields.
    /// Not read where <see cref="CategoryColumnNames"/> is set.
    /// </summary>
    public string LabelColumnName { get; set; } = "Label";

    /// <summary>Bool columns, one per category, whose names become the categories: BeaverTails' 14, for instance. Empty: <see cref="LabelColumnName"/> is read.</summary>
    public string[] CategoryColumnNames { get; set; } = [];

    /// <summary>Name of the one category of a bool label.</summary>
    public string CategoryName { get; set; } = "harmful";

    /// <summary>Folder of the pretrained model that gets the classification head; left as it is. Required.</summary>
    public string? PretrainedModelPath { get; set; }

    /// <summary>Folder where the judge is written, whole or not at all, as a checkpoint that <see cref="ModerationModelOptions"/> and Hugging Face read. Required.</summary>
    public string? JudgeOutputFolder { get; set; }

    /// <summary>Whether only the head is trained, without LoRA below it.</summary>
    public bool TrainHeadOnly { get; set; }

    /// <summary>Share of the rows, in [0, 1), that is kept from training to measure the judge with at the end; drawn with <see cref="Seed"/>.</summary>
    public double ValidationFraction { get; set; }

    /// <summary>Seed of everything random: head and adapter initialisation, dropout, order of rows, validation split. null: the MLContext's seed, or 42 without one.</summary>
    public long? Seed { get; set; }

    /// <summary><c>auto</c> (CUDA when there is one, else CPU), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>; null: as the MLContext says, see <see cref="AsftGenerateOptions.Device"/>.</summary>
    public string? Device { get; set; }

    /// <summary><c>auto</c> (bfloat16 on CUDA from compute capability 8 on, float32 elsewhere), <c>float32</c>, <c>bfloat16</c> or <c>float64</c>; float16 is for answering alone.</summary>
    public string DType { get; set; } = "auto";

    /// <summary>
    /// How the trained judge scores: columns, batches, and, in a <see cref="ModerationModelOptions"/> as its judge, threshold and how it is saved.
    /// Its ModelPath, MaxLength, Device and DType are set by the training. null: the columns it was trained on, and defaults.
    /// </summary>
    public ScoreHarmfulnessOptions? Scoring { get; set; }

    /// <summary>Gets every training report, on the thread that calls Fit.</summary>
    public IProgress<JudgeTrainingProgress>? Progress { get; set; }

    /// <summary>Stops Fit between optimizer steps. Cancelling the MLContext does the same.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>What is read of the rows; each of its options is one of this class, as are those of the following.</summary>
    [Flat(nameof(JudgeTrainingOptions.Training), nameof(JudgeTrainingOptions.Lora), nameof(JudgeTrainingOptions.Categories))]
    internal JudgeTrainingOptions Judge { get; set; } = new();

    /// <summary>The adapter below the head.</summary>
    [Flat]
    internal LoraOptions Adapter { get; set; } = new JudgeTrainingOptions().Lora!;

    /// <summary>The run; what only fine-tuning has is not part of it.</summary>
    [Flat(nameof(TrainingOptions.Seed),
        nameof(TrainingOptions.PenaltyWeight), nameof(TrainingOptions.RefusalTolerance), nameof(TrainingOptions.RefusalCheckEvery), nameof(TrainingOptions.MeasureAnchoredShare),
        nameof(TrainingOptions.EarlyStoppingPatience), nameof(TrainingOptions.CheckpointFolder), nameof(TrainingOptions.CheckpointEvery), nameof(TrainingOptions.Resume))]
    internal TrainingOptions Training { get; set; } = new JudgeTrainingOptions().Training;

    /// <summary>Checks the options before any file is read.</summary>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    internal void Validate()
    {
        Name(PromptColumnName, nameof(PromptColumnName));
        Name(ResponseColumnName, nameof(ResponseColumnName));
        if (CategoryColumnNames is null) throw new ArgumentNullException(nameof(CategoryColumnNames));
        if (CategoryColumnNames.Length == 0) Name(LabelColumnName, nameof(LabelColumnName));
        Name(CategoryName, nameof(CategoryName));
        if (CategoryColumnNames.Any(string.IsNullOrEmpty) || CategoryColumnNames.Distinct(StringComparer.Ordinal).Count() != CategoryColumnNames.Length)
            throw OptionsCheck.Wrong(nameof(CategoryColumnNames), "CategoryColumnNames holds an empty name, or one twice.");
        if (string.IsNullOrEmpty(PretrainedModelPath)) throw OptionsCheck.Wrong(nameof(PretrainedModelPath), "PretrainedModelPath is not set; it names the folder of the model that becomes a judge.");
        if (!Directory.Exists(PretrainedModelPath)) throw OptionsCheck.Wrong(nameof(PretrainedModelPath), $"PretrainedModelPath is '{PretrainedModelPath}'; there is no such folder.");
        if (string.IsNullOrEmpty(JudgeOutputFolder)) throw OptionsCheck.Wrong(nameof(JudgeOutputFolder), "JudgeOutputFolder is not set; it names the folder where the judge is written.");
        OptionRange.Share.Check(ValidationFraction, nameof(ValidationFraction));
        if (TargetModules is null) throw new ArgumentNullException(nameof(TargetModules));
        if (!TrainHeadOnly && (TargetModules.Count == 0 || TargetModules.Any(string.IsNullOrEmpty)))
            throw OptionsCheck.Wrong(nameof(TargetModules), "TargetModules is empty, or holds an empty text; name at least one linear layer, such as q_proj, or all-linear.");
        Settings([]).Validate();
        ComputePlacement.Resolve(Device ?? "auto", DType).RequireTrainable();
        if (Scoring?.Judge is not (null or ModerationModelOptions { ModelPath: null }))
            throw OptionsCheck.Wrong(nameof(Scoring), "The Judge in Scoring must be null, or a ModerationModelOptions without ModelPath: the trained judge is the one that scores.");
        ScoringOptions("").Validate();
    }

    /// <summary>The engine's options, with <see cref="Seed"/>.</summary>
    internal JudgeTrainingOptions Settings(IReadOnlyList<string> categories) => Judge with
    {
        Lora = TrainHeadOnly ? null : Adapter,
        Categories = categories.Count == 0 ? null : categories,
        Training = Training with { Seed = Seed ?? HostDefaults.DefaultSeed },
    };

    /// <summary>How a judge written to a folder scores.</summary>
    internal ScoreHarmfulnessOptions ScoringOptions(string folder)
    {
        var scoring = Scoring?.Copy() ?? new ScoreHarmfulnessOptions { PromptColumnName = PromptColumnName, ContextColumnName = ContextColumnName, ResponseColumnName = ResponseColumnName };
        var judge = scoring.Judge as ModerationModelOptions ?? new ModerationModelOptions();
        (judge.ModelPath, judge.MaxLength, judge.Device, judge.DType) = (folder, MaxLength, Device, DType);
        // Every category was trained to be harmful, whatever its name.
        judge.SafeLabels = [];
        scoring.Judge = judge;
        return scoring;
    }

    /// <summary>A copy that later changes of the original do not reach.</summary>
    internal TrainHarmfulnessJudgeOptions Copy()
    {
        var copy = OptionsCheck.WithOwnArrays((TrainHarmfulnessJudgeOptions)MemberwiseClone());
        copy.Scoring = Scoring?.Copy();
        return copy;
    }

    private static void Name([NotNull] string? value, string option)
    {
        if (string.IsNullOrEmpty(value)) throw OptionsCheck.Wrong(option, $"{option} is empty; a name is wanted.");
    }
}
