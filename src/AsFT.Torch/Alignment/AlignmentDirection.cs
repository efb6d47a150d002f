using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// D = W_aligned − W_base per weight matrix, by layer name (the module's name, without <c>.weight</c>): of two checkpoints, of a file, or of
/// matrices in memory. Files are read layer by layer, when a layer is asked for, and nothing of them is kept. It can be saved and used for
/// any number of fine-tunes.
/// </summary>
public sealed partial class AlignmentDirection : IDisposable
{
    private readonly Dictionary<string, DirectionLayer> _layers;
    // Open files, or matrices in memory.
    private readonly IReadOnlyList<IDisposable> _sources;
    private bool _isDisposed;

    private AlignmentDirection(IEnumerable<DirectionLayer> layers, IReadOnlyList<IDisposable> sources) =>
        (_layers, _sources) = (layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal), sources);

    /// <summary>Names of the layers that have a direction, D = 0 included.</summary>
    public IReadOnlyCollection<string> LayerNames => _layers.Keys;

    /// <summary>
    /// The direction between two checkpoints, whose headers are compared; weights are read when a layer is asked for, widened to float32 and
    /// subtracted (float64 stays float64). It opens the files anew, so the checkpoints may be closed before it.
    /// </summary>
    /// <param name="aligned">The aligned model, for instance a chat model.</param>
    /// <param name="baseline">The model it was made from.</param>
    /// <param name="layerNames">Layers wanted, as in the checkpoints without <c>.weight</c>. Biases play no part.</param>
    /// <param name="allowQuantized">
    /// Whether weights may be quantised ones: what two of them differ by is mostly the error of quantising, some 9 % of the weights in NF4 and
    /// 1 % in 8 bits, and little of what alignment changed.
    /// </param>
    /// <exception cref="InvalidDataException">A checkpoint lacks a tensor, shapes differ, or weights are quantised; names the layer.</exception>
    public static AlignmentDirection Build(ModelCheckpoint aligned, ModelCheckpoint baseline, IEnumerable<string> layerNames, bool allowQuantized = false)
    {
        var names = RequireMatching(aligned, baseline, layerNames, allowQuantized);
        var left = ModelCheckpoint.Open(aligned.Folder);
        try
        {
            var right = ModelCheckpoint.Open(baseline.Folder);
            return new AlignmentDirection(names.Select(name => DirectionReader.LayerOf(left, right, name)), [left, right]);
        }
        catch
        {
            left.Dispose();
            throw;
        }
    }

    /// <summary>A direction from matrices in memory, which are copied.</summary>
    /// <param name="matrices">D (d_out × d_in) by layer name; half formats are widened to float32.</param>
    /// <exception cref="ArgumentException">A tensor is no floating-point matrix; names the layer.</exception>
    public static AlignmentDirection FromTensors(IReadOnlyDictionary<string, Tensor> matrices)
    {
        ArgumentNullException.ThrowIfNull(matrices);
        foreach (var (name, matrix) in matrices)
            if (matrix.dim() != 2 || !matrix.is_floating_point())
                throw new ArgumentException($"The direction of layer '{name}' must be a floating-point matrix; found {matrix.dtype} of shape {Shape(matrix.shape)}.", nameof(matrices));
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var kept = matrices.ToDictionary(pair => pair.Key, pair => new LayerDirection(pair.Value.detach().to(Widened(pair.Value.dtype), CPU, copy: true).contiguous()));
        return new AlignmentDirection(kept.Select(pair => new DirectionLayer(pair.Key, pair.Value.Left.shape[0], pair.Value.Left.shape[1], pair.Value.Left.dtype, pair.Value.Left.shape[1], pair.Value.Share)), [.. kept.Values]);
    }

    /// <summary>Reads D of a layer.</summary>
    /// <param name="layerName">The layer, without <c>.weight</c>.</param>
    /// <returns>(d_out × d_in), float32 or float64, on the CPU, the caller's to dispose; null when there is none.</returns>
    /// <exception cref="InvalidOperationException">The file holds the spectrum of D alone.</exception>
    public Tensor? Find(string layerName)
    {
        if (FindLayer(layerName) is not { } layer) return null;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var matrix = layer.ReadMatrix();
        return matrix.Matrix.alias().MoveToOuterDisposeScope();
    }

    /// <summary>‖D‖_F of a layer, for which D is read; 0 means that the two models agree there, so nothing is protected.</summary>
    /// <param name="layerName">The layer, without <c>.weight</c>.</param>
    /// <exception cref="ArgumentException">The layer has no direction.</exception>
    public double FrobeniusNorm(string layerName)
    {
        var layer = FindLayer(layerName) ?? throw new ArgumentException($"There is no direction for layer '{layerName}'.", nameof(layerName));
        using var left = layer.ReadLeft();
        return left.Norm;
    }

    /// <summary>Closes the files, and frees what lies in memory.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        foreach (var source in _sources) source.Dispose();
    }

    internal DirectionLayer? FindLayer(string layerName)
    {
        ArgumentNullException.ThrowIfNull(layerName);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _layers.GetValueOrDefault(layerName);
    }

    private static ScalarType Widened(ScalarType dtype) => dtype == ScalarType.Float64 ? dtype : ScalarType.Float32;

    private static string[] RequireMatching(ModelCheckpoint aligned, ModelCheckpoint baseline, IEnumerable<string> layerNames, bool allowQuantized)
    {
        ArgumentNullException.ThrowIfNull(aligned);
        ArgumentNullException.ThrowIfNull(baseline);
        ArgumentNullException.ThrowIfNull(layerNames);
        var names = layerNames.Distinct(StringComparer.Ordinal).ToArray();
        // Headers tell all that can be wrong; a run over many gigabytes must not fail at its last tensor.
        foreach (var name in names) RequireMatching(aligned, baseline, name, allowQuantized);
        return names;
    }

    private static void RequireMatching(ModelCheckpoint aligned, ModelCheckpoint baseline, string name, bool allowQuantized)
    {
        foreach (var (checkpoint, role) in new[] { (aligned, "aligned"), (baseline, "base") })
        {
            var entry = Entry(checkpoint, role, name);
            if (BitsAndBytes.StoredFormat(checkpoint, entry.Name) is { } stored)
            {
                if (!allowQuantized)
                    throw new InvalidDataException($"Layer '{name}' is stored as {stored} in the {role} model '{checkpoint.Folder}'. What is left of quantised weights when two of them are subtracted is mostly the error of quantising: the direction would hold noise. "
                        + "Give the checkpoint that is not quantised (the model that is trained may be quantised while it is loaded), or allow it (AllowQuantizedDirection, --allow-quantized-direction).");
            }
            else if (entry.DType is not (SafetensorsDType.F16 or SafetensorsDType.BF16 or SafetensorsDType.F32 or SafetensorsDType.F64))
            {
                throw new InvalidDataException($"Layer '{name}' is stored as {entry.DType} in '{checkpoint.Folder}'; a direction needs F16, BF16, F32 or F64 weights.");
            }
        }
        var (left, right) = (BitsAndBytes.Shape(aligned, $"{name}.weight"), BitsAndBytes.Shape(baseline, $"{name}.weight"));
        if (left.Count != 2)
            throw new InvalidDataException($"Layer '{name}' has a weight of shape {Shape(left)} in the aligned model '{aligned.Folder}'; a direction needs a matrix.");
        if (!left.SequenceEqual(right))
            throw new InvalidDataException($"Layer '{name}' has a weight of shape {Shape(left)} in the aligned model '{aligned.Folder}' and {Shape(right)} in the base model '{baseline.Folder}'; both must be versions of one model.");
    }

    private static SafetensorsEntry Entry(ModelCheckpoint checkpoint, string role, string layerName) =>
        checkpoint.Entries.TryGetValue($"{layerName}.weight", out var entry) ? entry
            : throw new InvalidDataException($"The {role} model '{checkpoint.Folder}' has no tensor '{layerName}.weight', which the direction of layer '{layerName}' needs.");

    private static string Shape(IEnumerable<long> shape) => $"({string.Join(", ", shape)})";
}

/// <summary>Progress of work on all layers of a direction: writing it, or making a penalty of it.</summary>
/// <param name="LayersDone">Layers finished.</param>
/// <param name="LayerCount">Layers in all.</param>
/// <param name="LayerName">The layer just finished.</param>
public readonly record struct AlignmentDirectionProgress(int LayersDone, int LayerCount, string LayerName);
