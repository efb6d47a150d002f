using System.Globalization;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Lab.Basin;

/// <summary>
/// Moves a model's weights in place to W_aligned + α·D + β·R, and puts the aligned bits back when it is disposed. A point is computed in
/// float32 (float64 for a float64 model) from the weights as the model holds them, and rounded once; α = 0 and α = −1 are copies, so that
/// they are the aligned and the base weights bit for bit.
/// </summary>
internal sealed class MovedWeights : IDisposable
{
    private readonly ModelCheckpoint _baseline;
    private readonly Device _device;
    private readonly ScalarType _dtype;
    private bool _isMoved;

    private MovedWeights(CausalLanguageModel model, ModelCheckpoint baseline, BasinStorage storage, bool isWhole)
    {
        _baseline = baseline;
        _device = model.Placement.Device;
        _dtype = model.Placement.DType;
        ComputeType = _dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Storage = storage;
        IsWhole = isWhole;
    }

    public List<MovedTensor> Tensors { get; } = [];

    /// <summary>Every weight that differs is moved, so that α = −1 is the base model.</summary>
    public bool IsWhole { get; }

    public BasinStorage Storage { get; }

    /// <summary>Format in which points are computed.</summary>
    public ScalarType ComputeType { get; }

    public Device Device => _device;

    /// <summary>Where held tensors lie.</summary>
    public Device StorageDevice => Storage == BasinStorage.Device ? _device : CPU;

    /// <summary>Finds what differs and takes the copies.</summary>
    public static MovedWeights Open(CausalLanguageModel model, ModelCheckpoint baseline, BasinOptions options, CancellationToken cancellationToken)
    {
        model.RequireDense("Moving weights");
        RequireSameShape(model.Config, ModelConfig.Load(baseline.Folder), baseline.Folder);
        var selected = Select(model, options);
        foreach (var (name, weight) in selected) RequireMatching(baseline, name, weight);
        var moved = new MovedWeights(model, baseline, options.Storage, options is { Layers: null, TargetModules: null });
        try
        {
            foreach (var (name, weight) in selected)
            {
                cancellationToken.ThrowIfCancellationRequested();
                moved.Add(name, weight);
            }
            if (moved.Tensors.Count == 0)
                throw new InvalidOperationException($"The model and the base model '{baseline.Folder}' agree in all {selected.Count} chosen weights; there is no direction to move along.");
            return moved;
        }
        catch
        {
            moved.Dispose();
            throw;
        }
    }

    /// <summary>Moves the model.</summary>
    /// <param name="alpha">Multiples of D.</param>
    /// <param name="beta">Multiples of the random direction.</param>
    /// <param name="random">The random direction; may be missing where β = 0.</param>
    public void MoveTo(double alpha, double beta = 0, RandomDirection? random = null)
    {
        using var _ = no_grad();
        _isMoved = true;
        for (var i = 0; i < Tensors.Count; i++)
        {
            using var scope = NewDisposeScope();
            Tensors[i].Weight.copy_(At(i, alpha, beta, random));
        }
        _isMoved = alpha != 0 || beta != 0;
    }

    /// <summary>D of a tensor in the compute format, on the model's device.</summary>
    public Tensor Direction(int index)
    {
        using var scope = NewDisposeScope();
        return (Wide(Tensors[index].Aligned) - Wide(Baseline(index))).MoveToOuterDisposeScope();
    }

    /// <summary>Puts the aligned weights back and frees the copies.</summary>
    public void Dispose()
    {
        if (_isMoved) MoveTo(0);
        foreach (var tensor in Tensors) tensor.Dispose();
        Tensors.Clear();
    }

    private Tensor At(int index, double alpha, double beta, RandomDirection? random)
    {
        var tensor = Tensors[index];
        if (beta == 0 && alpha == 0) return tensor.Aligned;
        if (beta == 0 && alpha == -1) return Baseline(index);
        using Scalar along = alpha, across = beta;
        var aligned = Wide(tensor.Aligned);
        var value = alpha == 0 ? aligned.clone() : (aligned - Wide(Baseline(index))).mul_(along).add_(aligned, Scalars.One);
        return beta == 0 ? value : value.add_(random!.Of(index), across);
    }

    private Tensor Baseline(int index) => Tensors[index].Base ?? _baseline.Read(Tensors[index].Name, _dtype, CPU);

    private Tensor Wide(Tensor tensor) => tensor.to(_device).to(ComputeType);

    private void Add(string name, Tensor weight)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var baseline = _baseline.Read(name, _dtype, CPU);
        var (norm, weightNorm) = (Norm(Wide(weight) - Wide(baseline)), Norm(Wide(weight)));
        if (!double.IsFinite(norm))
            throw new InvalidDataException($"Tensor '{name}' of the model or of the base model '{_baseline.Folder}' holds numbers that are not finite.");
        if (norm == 0) return;
        Tensor Keep(Tensor tensor) => tensor.to(_dtype, StorageDevice, copy: true).DetachFromDisposeScope();
        Tensors.Add(new MovedTensor(name, weight, Keep(weight.detach()), Storage == BasinStorage.Streamed ? null : Keep(baseline), norm, weightNorm));
    }

    internal static double Norm(Tensor tensor) => Math.Sqrt(Inner(tensor, tensor));

    // Products in the tensor's format, summed in float64 where the device has it.
    internal static double Inner(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        return (a * b).sum(a.device_type == DeviceType.MPS ? ScalarType.Float32 : ScalarType.Float64).to(ScalarType.Float64, CPU).item<double>();
    }

    private static List<KeyValuePair<string, Tensor>> Select(CausalLanguageModel model, BasinOptions options)
    {
        var count = model.Config.LayerCount;
        foreach (var layer in options.Layers ?? [])
            if (layer < 0 || layer >= count) throw new ArgumentOutOfRangeException(nameof(options), layer, $"Layers names decoder layer {layer}; the model has layers 0 to {count - 1}.");
        var weights = model.Weights().ToList();
        if (options.TargetModules is { } targets)
        {
            var names = TargetModules.Select([.. model.LinearLayers().Select(layer => layer.Name)], targets).Select(name => $"{name}.weight").ToHashSet(StringComparer.Ordinal);
            weights.RemoveAll(weight => !names.Contains(weight.Key));
        }
        if (options.Layers is { } layers)
            weights.RemoveAll(weight => !layers.Any(layer => weight.Key.StartsWith(string.Create(CultureInfo.InvariantCulture, $"{model.Config.Spec.DecoderName}.layers.{layer}."), StringComparison.Ordinal)));
        return weights.Count > 0 ? weights : throw new ArgumentException("Layers and TargetModules have no weight in common.", nameof(options));
    }

    private static void RequireMatching(ModelCheckpoint baseline, string name, Tensor weight)
    {
        if (!baseline.Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"The base model '{baseline.Folder}' has no tensor '{name}', which the model has.");
        if (!entry.Shape.SequenceEqual(weight.shape))
            throw new InvalidDataException($"Tensor '{name}' is ({string.Join(", ", entry.Shape)}) in the base model '{baseline.Folder}' and ({string.Join(", ", weight.shape)}) in the model; both must be versions of one model.");
    }

    // What the weights do not say: with another one of these, α = −1 would not be the base model.
    private static void RequireSameShape(ModelConfig model, ModelConfig baseline, string folder)
    {
        Same("num_attention_heads", model.HeadCount, baseline.HeadCount);
        Same("num_key_value_heads", model.KeyValueHeadCount, baseline.KeyValueHeadCount);
        Same("rms_norm_eps", model.RmsNormEpsilon, baseline.RmsNormEpsilon);
        Same("rope_theta", model.Spec.Rotary.Theta, baseline.Spec.Rotary.Theta);
        Same("tie_word_embeddings", model.TieWordEmbeddings, baseline.TieWordEmbeddings);
        if (model.Spec.DifferenceFrom(baseline.Spec) is var (name, own, other)) Same(name, own, other);

        void Same<T>(string setting, T left, T right)
        {
            if (!EqualityComparer<T>.Default.Equals(left, right))
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"config.json of the base model '{folder}' has {setting} = {right}; the model has {left}. Both must be versions of one model."));
        }
    }
}
