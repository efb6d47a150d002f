using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Compares a checkpoint with its <c>config.json</c> without reading a weight.</summary>
public sealed class CheckpointFit
{
    private CheckpointFit(long parameterCount, IReadOnlyList<string> linearLayers, IReadOnlyList<string> problems, IReadOnlyList<string> unused) =>
        (ParameterCount, LinearLayerNames, Problems, UnusedTensors) = (parameterCount, linearLayers, problems, unused);

    /// <summary>Numbers in the weights that the model uses.</summary>
    public long ParameterCount { get; }

    /// <summary>Names of the model's linear layers, without <c>.weight</c>, in its order.</summary>
    public IReadOnlyList<string> LinearLayerNames { get; }

    /// <summary>What keeps the model from being loaded: missing tensors and shapes that differ. Empty when it fits.</summary>
    public IReadOnlyList<string> Problems { get; }

    /// <summary>Tensors of the checkpoint that the model does not use.</summary>
    public IReadOnlyList<string> UnusedTensors { get; }

    /// <summary>Bounds what a config alone would have made, by the weights: a layer has tensors.</summary>
    /// <exception cref="InvalidDataException">There are more layers than tensors.</exception>
    internal static void RequireLayers(ModelConfig config, ModelCheckpoint checkpoint)
    {
        if (config.LayerCount > checkpoint.Entries.Count)
            throw new InvalidDataException($"config.json in '{checkpoint.Folder}' says num_hidden_layers is {config.LayerCount}, but its weights are {checkpoint.Entries.Count} tensors in all; they do not belong together.");
    }

    /// <summary>Lays the model out on the meta device, where tensors have a shape and no memory.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="checkpoint">Its weights.</param>
    public static CheckpointFit Check(ModelConfig config, ModelCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(checkpoint);
        RequireLayers(config, checkpoint);
        var (problems, used, count) = (new List<string>(), new HashSet<string>(), 0L);
        var meta = new ComputePlacement(new Device(TorchSharp.DeviceType.META), ScalarType.Float32);
        using var scope = NewDisposeScope();
        using var model = new CausalLanguageModel(config, meta, (name, shape) =>
        {
            used.Add(name);
            count += shape.Aggregate(1L, (product, size) => product * size);
            if (!checkpoint.Entries.TryGetValue(name, out var entry))
                problems.Add($"tensor '{name}' ({string.Join(" × ", shape)}) is missing");
            else if (!entry.Shape.SequenceEqual(shape))
                problems.Add($"tensor '{name}' is {string.Join(" × ", entry.Shape)}; config.json calls for {string.Join(" × ", shape)}");
            return empty(shape, meta.DType, meta.Device);
        });
        return new CheckpointFit(count, [.. model.LinearLayers().Select(layer => layer.Name)], problems, [.. checkpoint.Entries.Keys.Where(name => !used.Contains(name)).Order(StringComparer.Ordinal)]);
    }
}
