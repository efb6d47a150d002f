using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Compares a checkpoint with its <c>config.json</c> without reading a weight.</summary>
internal sealed class CheckpointFit
{
    private CheckpointFit(long parameterCount, IReadOnlyList<string> linearLayers, IReadOnlyList<string> problems, IReadOnlyList<string> unused) =>
        (ParameterCount, LinearLayerNames, Problems, UnusedTensors) = (parameterCount, linearLayers, problems, unused);

    /// <summary>Numbers in the weights that the model uses.</summary>
    public long ParameterCount { get; }

    /// <summary>Names of the model's linear layers, without <c>.weight</c>, in its order.</summary>
    public IReadOnlyList<string> LinearLayerNames { get; }

    /// <summary>What keeps the model from being loaded: missing tensors, shapes that differ, and tensors of its layers that <c>config.json</c> has no place for. Empty when it fits.</summary>
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

    /// <summary>Refuses a checkpoint whose layers hold more than its config makes use of: the model would compute something else, and nothing would show it.</summary>
    /// <exception cref="InvalidDataException">There are more layers than tensors, or tensors of layers are left over.</exception>
    internal static void RequireAllUsed(ModelConfig config, ModelCheckpoint checkpoint)
    {
        RequireLayers(config, checkpoint);
        var used = new HashSet<string>();
        using var scope = NewDisposeScope();
        // Names alone are wanted, and shapes have not been held against the file yet.
        using var names = new CausalDecoder(config, new ComputePlacement(CPU, ScalarType.Float32), new WeightSource((name, shape) =>
        {
            used.Add(name);
            used.UnionWith(BitsAndBytes.Parts(name));
            return empty(new long[shape.Length]);
        }));
        var left = LeftOver(config, checkpoint, used);
        if (left.Count > 0)
            throw new InvalidDataException($"'{checkpoint.Folder}' holds {left.Count} tensors that its config.json has no place for, for instance '{left[0]}'; without them the model would be another one. num_hidden_layers is {config.LayerCount} there; it and the fields that switch biases and norms on must be those of the weights.");
    }

    // What is no weight, old files have all the same: tables of rotary positions.
    private static List<string> LeftOver(ModelConfig config, ModelCheckpoint checkpoint, HashSet<string> used) =>
        [.. checkpoint.Entries.Keys.Where(name => !used.Contains(name) && !name.Contains(".rotary_emb.", StringComparison.Ordinal)
            && (name.StartsWith($"{config.Spec.DecoderName}.layers.", StringComparison.Ordinal) || name == $"{config.Spec.HeadName}.bias")).Order(StringComparer.Ordinal)];

    /// <summary>Lays the model out on the meta device, where tensors have a shape and no memory.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="checkpoint">Its weights.</param>
    /// <exception cref="InvalidDataException">There are more layers than tensors.</exception>
    public static CheckpointFit Check(ModelConfig config, ModelCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(checkpoint);
        RequireLayers(config, checkpoint);
        var (problems, used, count) = (new List<string>(), new HashSet<string>(), 0L);
        using var scope = NewDisposeScope();
        using var model = CausalLanguageModel.Layout(config, (name, shape) =>
        {
            used.Add(name);
            if (checkpoint.Entries.ContainsKey(name)) used.UnionWith(BitsAndBytes.Parts(name));
            count += shape.Aggregate(1L, (product, size) => product * size);
            if (!checkpoint.Entries.TryGetValue(name, out var entry))
                problems.Add($"tensor '{name}' ({string.Join(" × ", shape)}) is missing");
            else if (BitsAndBytes.StoredFormat(checkpoint, name) is not null)
            {
                if (BitsAndBytes.Problem(checkpoint, name, shape) is { } problem) problems.Add(problem);
            }
            else if (!entry.Shape.SequenceEqual(shape))
                problems.Add($"tensor '{name}' is {string.Join(" × ", entry.Shape)}; config.json calls for {string.Join(" × ", shape)}");
        });
        problems.AddRange(LeftOver(config, checkpoint, used).Select(name => $"tensor '{name}' is left over: config.json has no place for it"));
        return new CheckpointFit(count, [.. model.LinearLayers().Select(layer => layer.Name)], problems, [.. checkpoint.Entries.Keys.Where(name => !used.Contains(name)).Order(StringComparer.Ordinal)]);
    }
}
