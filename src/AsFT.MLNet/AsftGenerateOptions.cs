using System.Text.Json.Serialization;
using AsFT.MLNet.Batching;
using AsFT.MLNet.FineTuning;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

namespace AsFT.MLNet;

/// <summary>How a model answers prompts: columns, template, decoding (<see cref="GenerationOptions"/>), place. <see cref="AsftFineTuneOptions"/> adds how one is trained.</summary>
public partial class AsftGenerateOptions
{
    /// <summary>Text column with what the user asks. Read by the transformer and by training.</summary>
    public string PromptColumnName { get; set; } = "Prompt";

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

    /// <summary>
    /// Text column with whole conversations, used where it is there instead of the columns above: a list of turns in JSON,
    /// <c>[{"role": "user", "content": "…"}, …]</c> or with ShareGPT's <c>from</c> and <c>value</c>, as <c>LoadFromInstructionFile</c> makes it of files with
    /// <c>messages</c> or <c>conversations</c>. Under another name than the default it must be there in training. null: not used.
    /// </summary>
    public string? MessagesColumnName { get; set; } = PromptColumns.DefaultMessages;

    /// <summary>Text column that the transformer adds: the generated answer.</summary>
    public string OutputColumnName { get; set; } = TextColumns.Generated;

    /// <summary>
    /// Chat template: <c>auto</c> (the one that lies in the model's folder, which must have one), the name of one of several
    /// that lie there, or one of <see cref="AsFT.Torch.Chat.ChatTemplates.Names"/>: <c>llama2</c>, <c>llama3</c>, <c>alpaca</c>, <c>plain</c>, <c>chatml</c>.
    /// A saved model keeps the name of the one it was trained with.
    /// </summary>
    public string Template { get; set; } = AsFT.Torch.Chat.ChatTemplates.Auto;

    /// <summary>Whether an adapter that is given may go onto another model of the same shape than the one it was trained on.</summary>
    public bool AllowOtherModel { get; set; }

    /// <summary>
    /// What is done with rows that are too long. To answer: with <see cref="OverlongRows.Refuse"/> prompts that would have to be cut are refused, else they are
    /// cut, and warned of. In training: what is cut or dropped is counted, warned of and in <see cref="TrainingResult.Rows"/>.
    /// </summary>
    public OverlongRows Overlong { get; set; }

    /// <summary>
    /// <c>auto</c> (CUDA when there is one, else CPU), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>. null: the MLContext's <c>GpuDeviceId</c>,
    /// or the CPU where there is no such GPU and its <c>FallbackToCpu</c> is set; without a GpuDeviceId, <c>auto</c>.
    /// </summary>
    public string? Device { get; set; }

    /// <summary><c>auto</c> (bfloat16 on CUDA from compute capability 8 on, float32 elsewhere), <c>float32</c>, <c>bfloat16</c> or <c>float64</c>; float16 is for answering alone.</summary>
    public string DType { get; set; } = "auto";

    /// <summary>
    /// How the frozen weights of the decoder's linear layers are held: <see cref="WeightFormat.Dense"/>, or quantised to 8 or 4 bits while they
    /// are read (QLoRA). An adapter learns on top of them and is saved with the name of the format; what is written by a merge is
    /// dense, from the model's own files. A model that bitsandbytes quantised stays as it is stored.
    /// </summary>
    public WeightFormat WeightFormat { get; set; }

    /// <summary>Seed of everything random: sampling, and in training adapter initialisation, dropout, order of rows and validation split. null: the MLContext's seed, or 42 without one.</summary>
    public long? Seed { get; set; }

    /// <summary>Rows that the transformer's cursor reads ahead and answers in one batch, at least 1.</summary>
    public int GenerationBatchSize { get => Generation.BatchSize; set => Generation = Generation with { BatchSize = value }; }

    /// <summary>
    /// Whether a saved <c>model.zip</c> carries the whole model folder. Otherwise it carries the adapter and a reference
    /// (path, size, SHA-256) to the model.
    /// </summary>
    public bool SaveWholeModel { get; set; }

    /// <summary>Stops generation between tokens, and training between optimizer steps. Cancelling the MLContext does the same for Fit.</summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; set; }

    /// <summary>How answers are decoded, with <see cref="Seed"/>.</summary>
    [Flat(nameof(GenerationOptions.BatchSize), nameof(GenerationOptions.Seed))]
    internal GenerationOptions Generation { get => field with { Seed = Seed ?? HostDefaults.DefaultSeed }; set; } = new();

    /// <summary>These options as those of a trained model that answers in the same way.</summary>
    internal AsftFineTuneOptions On(string modelFolder)
    {
        var options = new AsftFineTuneOptions { AlignedModelPath = modelFolder };
        foreach (var property in typeof(AsftGenerateOptions).GetProperties()) property.SetValue(options, property.GetValue(this));
        return options;
    }
}
