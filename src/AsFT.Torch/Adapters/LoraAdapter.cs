using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>LoRA layers attached to a model; written and read as PEFT adapter folders.</summary>
public sealed class LoraAdapter : IDisposable
{
    private readonly Generator? _dropoutGenerator;
    private readonly long _seed;
    private bool _isMerged;

    internal LoraAdapter(LoraOptions options, IReadOnlyList<LoraLayer> layers, Generator? dropoutGenerator, long seed)
    {
        Options = options;
        Layers = layers;
        _dropoutGenerator = dropoutGenerator;
        _seed = seed;
        foreach (var layer in layers) layer.Target.Adapter = layer;
        ModelFingerprint = AdapterMetadata.Fingerprint(layers.Select(layer => layer.Target));
    }

    /// <summary>Shape and scale of the adapter.</summary>
    public LoraOptions Options { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public IReadOnlyList<LoraLayer> Layers { get; }

    /// <summary>
    /// What tells the model it was attached to from others of the same shape: a hash over names, shapes and some numbers of the adapted
    /// matrices as the model's files hold them, the same for the same numbers however they are stored. It is saved with the adapter.
    /// </summary>
    public string ModelFingerprint { get; }

    /// <summary>Whether the adapter was made on the model it is attached to; null: the files it was read from do not tell, as those that PEFT itself writes.</summary>
    public bool? IsOfThisModel { get; internal init; } = true;

    /// <summary>Attaches fresh layers to a model: A ~ U(−1/√d_in, 1/√d_in) and B = 0, as PEFT initialises them.</summary>
    /// <param name="linearLayers">The model's <c>LinearLayers()</c>.</param>
    /// <param name="options">Shape, scale and targets.</param>
    /// <param name="seed">Seeds initialisation and dropout; the initial A is the same on every device.</param>
    /// <exception cref="ArgumentException">An option is out of range, or a target module names no layer.</exception>
    /// <exception cref="InvalidOperationException">A target already carries an adapter.</exception>
    public static LoraAdapter Attach(IEnumerable<LinearLayer> linearLayers, LoraOptions options, long seed)
    {
        ArgumentNullException.ThrowIfNull(linearLayers);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var targets = TargetModules.Select([.. linearLayers], options.TargetModules);
        var initial = new Generator((ulong)seed);
        var dropout = DropoutGenerator(options, targets[0]);
        var layers = new List<LoraLayer>();
        foreach (var target in targets)
        {
            RequireFree(target);
            if (options.Rank > Math.Min(target.InFeatures, target.OutFeatures))
                throw new ArgumentOutOfRangeException(nameof(options), $"Rank is {options.Rank}; layer '{target.Name}' is {target.OutFeatures} × {target.InFeatures} and allows at most {Math.Min(target.InFeatures, target.OutFeatures)}.");
            var (dtype, device) = (AdapterDType(target), target.Weight.device);
            var bound = 1 / Math.Sqrt(target.InFeatures);
            using var draw = empty(options.Rank, target.InFeatures, ScalarType.Float32).uniform_(-bound, bound, initial);
            var a = new Parameter(draw.to(dtype, device, copy: true).DetachFromDisposeScope());
            var b = new Parameter(zeros(target.OutFeatures, options.Rank, dtype, device).DetachFromDisposeScope());
            layers.Add(new LoraLayer(target, a, b, options.Scale(options.Rank), options.Dropout, dropout));
        }
        return new LoraAdapter(options, layers, dropout, seed);
    }

    /// <summary>Reads a PEFT folder (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>) and attaches it.</summary>
    /// <param name="linearLayers">The model's <c>LinearLayers()</c>.</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="seed">Seeds dropout, for further training.</param>
    /// <param name="allowOtherModel">
    /// Whether it may go onto another model of the same shape than the one its files name (<see cref="IsOfThisModel"/> tells). An adapter
    /// corrects the weights it was trained on; on others it does something nobody measured.
    /// </param>
    /// <exception cref="InvalidDataException">The files are damaged, use PEFT features beyond plain LoRA, do not belong together, do not fit the model, or are of another one; names what does not fit.</exception>
    public static LoraAdapter Load(IEnumerable<LinearLayer> linearLayers, string folder, long seed = 0, bool allowOtherModel = false) =>
        PeftFolder.Read([.. linearLayers], folder, seed, allowOtherModel);

    /// <summary>Reads the shape and scale of a PEFT folder (<c>adapter_config.json</c>) without its weights.</summary>
    /// <param name="folder">The adapter folder.</param>
    /// <exception cref="InvalidDataException">The file is missing, damaged, or uses PEFT features beyond plain LoRA.</exception>
    public static LoraOptions ReadOptions(string folder) => PeftFolder.ReadOptions(folder);

    /// <summary>Switches dropout on or off.</summary>
    /// <param name="isTraining">Whether a training step is to follow.</param>
    public void Train(bool isTraining)
    {
        foreach (var layer in Layers) layer.IsTraining = isTraining;
    }

    /// <summary>
    /// Makes each layer's dropout mask depend on seed, step and micro-batch alone, so that a resumed run needs no saved
    /// state and a layer computed again for its gradient drops the same features. TorchSharp makes CPU generators only;
    /// elsewhere libtorch's default generators are seeded, which two runs on one device at the same time would share.
    /// </summary>
    /// <param name="step">Steps done before this one.</param>
    /// <param name="microBatch">Forward passes of the step done before this one.</param>
    internal void SeedDropout(int step, int microBatch)
    {
        if (Options.Dropout == 0) return;
        var place = ((ulong)(uint)step << 32) + (uint)microBatch;
        for (var i = 0; i < Layers.Count; i++)
            Layers[i].DropoutSeed = unchecked((long)Mixed(Mixed((ulong)_seed + Mixed(place)) + (ulong)i));
    }

    // Finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbours in, unrelated numbers out.
    private static ulong Mixed(ulong value)
    {
        unchecked
        {
            value += 0x9E3779B97F4A7C15;
            value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
            value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
            return value ^ (value >> 31);
        }
    }

    internal static Generator? DropoutGenerator(LoraOptions options, LinearLayer target) =>
        options.Dropout > 0 && target.Weight.device_type == TorchSharp.DeviceType.CPU ? new Generator() : null;

    /// <summary>Writes a PEFT folder; its files are complete or not there.</summary>
    /// <param name="folder">Created if missing.</param>
    /// <param name="baseModelNameOrPath">What PEFT is to load below the adapter; null leaves it open.</param>
    public void Save(string folder, string? baseModelNameOrPath = null) => PeftFolder.Write(this, folder, baseModelNameOrPath);

    /// <summary>
    /// Adds scale · B·A to the frozen weights and takes the layers off the forward path. The sum is taken in float32
    /// and rounded to the weights' format.
    /// </summary>
    /// <exception cref="InvalidOperationException">The adapter is merged already.</exception>
    public void Merge()
    {
        if (_isMerged) throw new InvalidOperationException("The adapter is merged already.");
        AddToWeights(1);
        foreach (var layer in Layers) layer.Target.Adapter = null;
        _isMerged = true;
    }

    /// <summary>Undoes <see cref="Merge"/>, up to the rounding of the weights' format.</summary>
    /// <exception cref="InvalidOperationException">The adapter is not merged, or a layer carries another adapter now.</exception>
    public void Unmerge()
    {
        if (!_isMerged) throw new InvalidOperationException("The adapter is not merged.");
        foreach (var layer in Layers) RequireFree(layer.Target);
        AddToWeights(-1);
        foreach (var layer in Layers) layer.Target.Adapter = layer;
        _isMerged = false;
    }

    /// <summary>Takes the layers off the model and frees them. What <see cref="Merge"/> added stays.</summary>
    public void Dispose()
    {
        foreach (var layer in Layers)
        {
            if (ReferenceEquals(layer.Target.Adapter, layer)) layer.Target.Adapter = null;
            layer.Dispose();
        }
        _dropoutGenerator?.Dispose();
    }

    internal static void RequireFree(LinearLayer target)
    {
        if (target.Adapter is not null)
            throw new InvalidOperationException($"Layer '{target.Name}' carries an adapter already; merge or dispose it first.");
    }

    /// <summary>Adapter weights never fall below float32, so that small updates are not lost.</summary>
    internal static ScalarType AdapterDType(LinearLayer target) =>
        target.Weight.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    private void AddToWeights(double sign)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var layer in Layers)
        {
            using Scalar scale = sign * layer.Scale;
            var update = layer.B.mm(layer.A).mul_(scale);
            layer.Target.Weight.copy_(layer.Target.Weight.to(update.dtype).add(update, Scalars.One));
            layer.Target.StoredSample = null;
        }
    }
}
