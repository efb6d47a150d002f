using AsFT.MLNet.Batching;
using AsFT.MLNet.Interop;
using Microsoft.ML;

namespace AsFT.MLNet;

/// <summary>AsFT fine-tuning for <see cref="MLContext.Transforms"/>.</summary>
public static class AsftFineTuneCatalog
{
    /// <summary>Fine-tunes an aligned language model with LoRA and the AsFT penalty; the trained transformer answers prompts.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="options">All options; copied, so later changes have no effect.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    public static AsftFineTuneEstimator AsftFineTune(this TransformsCatalog catalog, AsftFineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new AsftFineTuneEstimator(MlNetInternals.Environment(catalog), options);
    }

    /// <summary>Fine-tunes an aligned language model with LoRA and the AsFT penalty; the common options only.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="alignedModelPath">Folder of the aligned model that is fine-tuned.</param>
    /// <param name="baseModelPath">Folder of the base model; may be null only with <paramref name="lambda"/> = 0.</param>
    /// <param name="outputColumnName">Text column that is added: the generated answer.</param>
    /// <param name="promptColumnName">Text column with what the user asks.</param>
    /// <param name="responseColumnName">Text column with the answer to learn.</param>
    /// <param name="template">Chat template: <c>auto</c> (the model's own), <c>llama2</c>, <c>llama3</c>, <c>alpaca</c>, <c>plain</c> or <c>chatml</c>.</param>
    /// <param name="lambda">λ, the weight of the alignment penalty, at least 0; null: 1.</param>
    /// <param name="rank">LoRA rank, at least 1.</param>
    /// <param name="numberOfEpochs">Passes over the rows, at least 1.</param>
    /// <param name="batchSize">Rows per optimizer step, at least 1.</param>
    /// <param name="learningRate">Peak learning rate, positive.</param>
    /// <exception cref="ArgumentException">An option is wrong; names it, its value and what is wanted.</exception>
    public static AsftFineTuneEstimator AsftFineTune(this TransformsCatalog catalog, string alignedModelPath, string? baseModelPath,
        string outputColumnName = TextColumns.Generated, string promptColumnName = "Prompt", string responseColumnName = "Response",
        string template = "auto", double? lambda = null, int rank = 8, int numberOfEpochs = 10, int batchSize = 8, double learningRate = 5e-5)
    {
        var options = new AsftFineTuneOptions
        {
            AlignedModelPath = alignedModelPath,
            BaseModelPath = baseModelPath,
            OutputColumnName = outputColumnName,
            PromptColumnName = promptColumnName,
            ResponseColumnName = responseColumnName,
            Template = template,
            Rank = rank,
            Epochs = numberOfEpochs,
            BatchSize = batchSize,
            LearningRate = learningRate,
        };
        if (lambda is { } weight) options.Lambda = weight;
        return AsftFineTune(catalog, options);
    }

    /// <summary>Answers prompts with a model as it is, or with an adapter on it; nothing is trained. What Fit gives is saved and loaded like a fine-tuned model.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="modelFolder">Folder of the model: <c>config.json</c>, safetensors weights and tokenizer files.</param>
    /// <param name="adapterFolder">PEFT folder of an adapter on it; null: none.</param>
    /// <param name="options">Columns, template, decoding and place; copied, so later changes have no effect. null: the defaults.</param>
    /// <exception cref="ArgumentException">A folder is not there, or an option is wrong; names it, its value and what is wanted.</exception>
    public static AsftGenerateEstimator AsftGenerate(this TransformsCatalog catalog, string modelFolder, string? adapterFolder = null, AsftGenerateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new AsftGenerateEstimator(MlNetInternals.Environment(catalog), modelFolder, adapterFolder, options ?? new());
    }
}
