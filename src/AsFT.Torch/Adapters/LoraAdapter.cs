using AsFT.Torch.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Adapters;

/// <summary>LoRA layers attached to a model; written and read as PEFT adapter folders.</summary>
public sealed class LoraAdapter : IDisposable
{
    private readonly DropoutMasks? _dropout;
    private bool _isMerged;

    internal LoraAdapter(LoraOptions options, IReadOnlyList<LoraLayer> layers, DropoutMasks? dropout)
    {
        Options = options;
        Layers = layers;
        _dropout = dropout;
        foreach (var layer in layers) layer.Target.Adapter = layer;
        WeightFormat = FormatBelow();
        ModelFingerprint = AdapterMetadata.Fingerprint(layers.Select(layer => layer.Target));
    }

    /// <summary>Shape and scale of the adapter.</summary>
    public LoraOptions Options { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public IReadOnlyList<LoraLayer> Layers { get; }

    /// <summary>All A and B, in the order in which they are trained: those of one shape side by side, so that one call reaches all of them.</summary>
    internal IEnumerable<Parameter> Parameters => LoraLayer.Stacks(Layers).SelectMany(stack => stack.Select(layer => layer.A).Concat(stack.Select(layer => layer.B)));

    /// <summary>
    /// What tells the model it was attached to from others of the same shape: a hash over names, shapes and some numbers of the adapted
    /// matrices as the model's files hold them, the same for the same numbers however they are stored. It is saved with the adapter.
    /// </summary>
    public string ModelFingerprint { get; }

    /// <summary>How the weights below are held while the adapter is trained; of one that was read, how they were held, where its file tells. It corrects them, errors of quantising included.</summary>
    public WeightFormat WeightFormat { get; internal set; }

    /// <summary>Whether the adapter was made on the model it is attached to; null: the files it was read from do not tell, as those that PEFT itself writes.</summary>
    public bool? IsOfThisModel { get; internal init; } = true;

    /// <summary>Name of the folder that it was read from and SHA-256 of its weights; null: it was made new.</summary>
    internal (string Name, string Sha256)? Origin { get; init; }

    /// <summary>Attaches fresh layers to a model: A ~ U(−1/√d_in, 1/√d_in) and B = 0, as PEFT initialises them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Shape, scale and targets.</param>
    /// <param name="seed">Seeds initialisation and dropout; the initial A is the same on every device.</param>
    /// <exception cref="ArgumentException">An option is out of range, or a target module names no layer.</exception>
    /// <exception cref="InvalidOperationException">A target already carries an adapter.</exception>
    public static LoraAdapter Attach(CausalLanguageModel model, LoraOptions options, long seed)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Attach(model.LinearLayers(), options, seed);
    }

    internal static LoraAdapter Attach(IEnumerable<LinearLayer> linearLayers, LoraOptions options, long seed)
    {
        ArgumentNullException.ThrowIfNull(linearLayers);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        LinearLayer[] all = [.. linearLayers];
        // As PEFT is to find them in adapter_config.json.
        options = options with { TargetModules = TargetModules.Resolve([.. all.Select(layer => layer.Name)], options.TargetModules) };
        var targets = TargetModules.Select(all, options.TargetModules);
        var initial = new Generator((ulong)seed);
        var dropout = Dropout(options, seed);
        var layers = new List<LoraLayer>();
        foreach (var target in targets)
        {
            RequireFree(target);
            if (options.Rank > Math.Min(target.InFeatures, target.OutFeatures))
                throw new ArgumentOutOfRangeException(nameof(options), $"Rank is {options.Rank}; layer '{target.Name}' is {target.OutFeatures} × {target.InFeatures} and allows at most {Math.Min(target.InFeatures, target.OutFeatures)}.");
            var (dtype, device) = (AdapterDType(target), target.Weight.Device);
            var bound = 1 / Math.Sqrt(target.InFeatures);
            using var draw = empty(options.Rank, target.InFeatures, ScalarType.Float32).uniform_(-bound, bound, initial);
            var a = new Parameter(draw.to(dtype, device, copy: true).DetachFromDisposeScope());
            var b = new Parameter(zeros(target.OutFeatures, options.Rank, dtype, device).DetachFromDisposeScope());
            layers.Add(new LoraLayer(target, a, b, options.Scale(options.Rank), dropout, layers.Count));
        }
        return new LoraAdapter(options, layers, dropout);
    }

    /// <summary>Reads a PEFT folder (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>) and attaches it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="seed">Seeds dropout, for further training.</param>
    /// <param name="allowOtherModel">
    /// Whether it may go onto another model of the same shape than the one its files name (<see cref="IsOfThisModel"/> tells). An adapter
    /// corrects the weights it was trained on; on others it does something nobody measured.
    /// </param>
    /// <param name="dropout">Probability of dropping an input feature in further training, from 0 to 0.99; null: as the files say.</param>
    /// <exception cref="InvalidDataException">The files are damaged, use PEFT features beyond plain LoRA, do not belong together, do not fit the model, or are of another one; names what does not fit.</exception>
    public static LoraAdapter Load(CausalLanguageModel model, string folder, long seed = 0, bool allowOtherModel = false, double? dropout = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return PeftFolder.Read([.. model.LinearLayers()], model.Weights(), folder, seed, allowOtherModel, dropout);
    }

    internal static LoraAdapter Load(IEnumerable<LinearLayer> linearLayers, string folder, long seed = 0, bool allowOtherModel = false, double? dropout = null)
    {
        LinearLayer[] layers = [.. linearLayers];
        return PeftFolder.Read(layers, layers.Where(layer => layer.Weight.Format == WeightFormat.Dense).Select(layer => KeyValuePair.Create($"{layer.Name}.weight", (Tensor)layer.Weight.Parameter)), folder, seed, allowOtherModel, dropout);
    }

    /// <summary>Reads the shape and scale of a PEFT folder (<c>adapter_config.json</c>) without its weights.</summary>
    /// <param name="folder">The adapter folder.</param>
    /// <exception cref="InvalidDataException">The file is missing, damaged, or uses PEFT features beyond plain LoRA.</exception>
    public static LoraOptions ReadOptions(string folder) => PeftFolder.ReadOptions(folder);

    /// <summary>Switches dropout on or off.</summary>
    /// <param name="isTraining">Whether a training step is to follow.</param>
    public void Train(bool isTraining)
    {
        foreach (var layer in Layers) layer.IsTraining = isTraining;
        if (isTraining) WeightFormat = FormatBelow();
    }

    /// <summary>
    /// Names the forward pass that follows: its dropout masks depend on the adapter's seed, the step, the micro-batch and the layer
    /// alone. A resumed run needs no saved state for them, and a layer computed again for its gradient drops the same features. The
    /// trainers call it; a loop of one's own that does not gets the same masks at every pass.
    /// </summary>
    /// <param name="step">Optimizer steps done before this one.</param>
    /// <param name="microBatch">Forward passes of the step done before this one.</param>
    public void SeedDropout(int step, int microBatch) => _dropout?.MoveTo(step, microBatch);

    /// <summary>Makes sure that it can be trained.</summary>
    /// <exception cref="InvalidOperationException">It is merged or disposed.</exception>
    internal void RequireAttached()
    {
        if (Layers.Any(layer => !ReferenceEquals(layer.Target.Adapter, layer)))
            throw new InvalidOperationException("The adapter is merged or disposed; only an attached adapter can be trained.");
    }

    internal static DropoutMasks? Dropout(LoraOptions options, long seed) => options.Dropout > 0 ? new DropoutMasks(options.Dropout, seed) : null;

    /// <summary>Writes a PEFT folder; its files are complete or not there.</summary>
    /// <param name="folder">Created if missing.</param>
    /// <param name="baseModelNameOrPath">What PEFT is to load below the adapter; null leaves it open.</param>
    public void Save(string folder, string? baseModelNameOrPath = null) => PeftFolder.Write(this, folder, baseModelNameOrPath);

    /// <summary>
    /// Adds scale · B·A to the frozen weights and takes the layers off the forward path. The sum is taken in float32
    /// and rounded to the weights' format.
    /// </summary>
    /// <exception cref="InvalidOperationException">The adapter is merged already, or a layer holds its weights quantised.</exception>
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
        _dropout?.Dispose();
    }

    internal static void RequireFree(LinearLayer target)
    {
        if (target.Adapter is not null)
            throw new InvalidOperationException($"Layer '{target.Name}' carries an adapter already; merge or dispose it first.");
    }

    /// <summary>Adapter weights never fall below float32, so that small updates are not lost.</summary>
    internal static ScalarType AdapterDType(LinearLayer target) =>
        target.Weight.DType == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    private WeightFormat FormatBelow() => Layers.Select(layer => layer.Target.Weight.Format).FirstOrDefault(format => format != WeightFormat.Dense);

    private void AddToWeights(double sign)
    {
        // All of them before any is changed.
        Parameter[] weights = [.. Layers.Select(layer => layer.Target.Weight.Parameter)];
        foreach (var (layer, weight) in Layers.Zip(weights))
        {
            layer.AddTo(weight, sign);
            layer.Target.StoredSample = null;
        }
    }
}
