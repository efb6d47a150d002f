using System.Text.Json;
using System.Text.Json.Nodes;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.MLNet.Persistence;

/// <summary>
/// Writes a model folder with the adapter added to its weights, tensor by tensor from file to file: one of them is in host memory at
/// once. Works in the checkpoint's own format, so that the model in use keeps its bits (adding and taking away again would round them).
/// </summary>
internal static class MergedModel
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    // What a model folder holds beside its weights: config, tokenizer, chat template.
    private static readonly string[] CompanionFiles = ["*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken"];

    /// <summary>Writes the folder, whole or not at all; each tensor keeps the number format it has in the model, and what is quantised there becomes dense.</summary>
    /// <param name="modelFolder">The model below the adapter.</param>
    /// <param name="adapter">The adapter, attached to a model that was read from that folder.</param>
    /// <param name="folder">The new folder; created if missing, without model weights.</param>
    /// <exception cref="ArgumentException">Both folders are the same.</exception>
    /// <exception cref="IOException">The new folder holds model weights already.</exception>
    /// <exception cref="InvalidDataException">The model lacks a tensor that the adapter changes.</exception>
    public static void Write(string modelFolder, LoraAdapter adapter, string folder)
    {
        CheckTarget(modelFolder, folder);
        ArgumentNullException.ThrowIfNull(adapter);
        using var checkpoint = ModelCheckpoint.Open(modelFolder);
        var weights = Weights(checkpoint, adapter);
        AtomicOutput.WriteFolder(folder, partial =>
        {
            ModelCheckpoint.SaveOneByOne(partial, weights);
            foreach (var file in CompanionFiles.SelectMany(pattern => Directory.EnumerateFiles(modelFolder, pattern)))
                if (!file.EndsWith(".index.json", StringComparison.Ordinal)) InputFile.Copy(file, Path.Combine(partial, Path.GetFileName(file)));
            DropQuantization(Path.Combine(partial, "config.json"));
        });
    }

    /// <summary>Makes sure that a merged model would not take the place of another model; cheap, so that it can be asked before weights are read.</summary>
    /// <param name="modelFolder">The model below the adapter.</param>
    /// <param name="folder">The folder that is to be written.</param>
    /// <exception cref="ArgumentException">Both folders are the same.</exception>
    /// <exception cref="IOException">The new folder holds model weights already.</exception>
    public static void CheckTarget(string modelFolder, string folder) => ModelOutput.CheckTarget(modelFolder, folder, "the merged model");

    // What is written is dense.
    private static void DropQuantization(string path)
    {
        if (!File.Exists(path) || JsonNode.Parse(File.ReadAllText(path)) is not JsonObject config || !config.Remove("quantization_config")) return;
        File.WriteAllText(path, config.ToJsonString(Indented));
    }

    private static IReadOnlyList<(TensorPlan, Func<Tensor>)> Weights(ModelCheckpoint checkpoint, LoraAdapter adapter)
    {
        var layers = adapter.Layers.ToDictionary(layer => layer.Name + ".weight");
        // A merge that leaves part of the adapter out would pass for the fine-tuned model.
        if (layers.Keys.FirstOrDefault(name => !checkpoint.Entries.ContainsKey(name)) is { } missing)
            throw new InvalidDataException($"'{checkpoint.Folder}' has no tensor '{missing}', which the adapter changes.");
        string[] quantized = [.. checkpoint.Entries.Keys.Where(name => BitsAndBytes.StoredFormat(checkpoint, name) is not null)];
        // The embeddings tell which format the model had before it was quantised.
        var dense = checkpoint.Entries.Values.Where(entry => entry.Shape.Count == 2 && entry.DType is SafetensorsDType.BF16 or SafetensorsDType.F16 or SafetensorsDType.F32)
            .MaxBy(entry => entry.ByteCount)?.DType ?? SafetensorsDType.BF16;
        var parts = quantized.SelectMany(BitsAndBytes.Parts).ToHashSet();
        var plans = checkpoint.Entries.Values.Where(entry => !parts.Contains(entry.Name)).OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .Select(entry => quantized.Contains(entry.Name) ? new TensorPlan(entry.Name, dense, BitsAndBytes.Shape(checkpoint, entry.Name)) : new TensorPlan(entry.Name, entry.DType, entry.Shape));
        return [.. plans.Select(plan => (plan, (Func<Tensor>)(() => Merged(plan))))];

        Tensor Merged(TensorPlan plan)
        {
            using var scope = NewDisposeScope();
            var weight = BitsAndBytes.ReadDense(checkpoint, plan.Name);
            if (layers.TryGetValue(plan.Name, out var layer)) layer.AddTo(weight, 1);
            return weight.to(plan.DType.ToScalarType() ?? weight.dtype).MoveToOuterDisposeScope();
        }
    }
}
