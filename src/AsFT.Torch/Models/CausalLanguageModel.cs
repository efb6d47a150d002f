using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>A decoder with a language-model head.</summary>
public sealed class CausalLanguageModel : nn.Module
{
    private readonly ModelPart[] _parts;
    private readonly LinearLayer? _head;
    private readonly Scalar? _logitDivisor;
    private readonly Scalar? _logitCap;

    internal CausalLanguageModel(ModelConfig config, ComputePlacement placement, WeightSource weights) : base(nameof(CausalLanguageModel))
    {
        var spec = config.Spec;
        Decoder = new CausalDecoder(config, placement, weights);
        if (!config.TieWordEmbeddings) _head = new LinearLayer(spec.HeadName, config.HiddenSize, config.VocabularySize, bias: false, weights);
        Head = _head?.Weight ?? new DenseMatrix(Decoder.Embedding);
        _parts = _head is null ? [Decoder] : [Decoder, _head];
        foreach (var (name, weight) in _parts.SelectMany(part => part.Weights())) register_parameter(name, weight);
        if (spec.LogitDivisor != 1) _logitDivisor = spec.LogitDivisor;
        if (spec.LogitSoftCap is { } cap) _logitCap = cap;
        eval();
    }

    /// <summary>Reads a model.</summary>
    /// <param name="folder">A Hugging Face folder: <c>config.json</c> and safetensors weights.</param>
    /// <param name="placement">Device and number format; null chooses.</param>
    /// <param name="format">How the linear layers of the decoder are held; they are quantised while they are read, one by one.</param>
    /// <exception cref="ArgumentException">The checkpoint is quantised in another format already.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, do not fit each other, or describe another architecture.</exception>
    public static CausalLanguageModel Load(string folder, ComputePlacement? placement = null, WeightFormat format = WeightFormat.Dense)
    {
        placement ??= ComputePlacement.Resolve();
        return Load(folder, placement, (checkpoint, config) => new CheckpointWeights(checkpoint, config, placement, format));
    }

    /// <summary>A model's parts by name and shape without its weights, for what only goes by them; it computes nothing.</summary>
    /// <param name="folder">A Hugging Face folder.</param>
    /// <exception cref="InvalidDataException">As <see cref="Load(string, ComputePlacement?, WeightFormat)"/>, but for what stands in the weights.</exception>
    internal static CausalLanguageModel Outline(string folder) => Load(folder, new ComputePlacement(CPU, ScalarType.Float32), (checkpoint, _) => WeightSource.Outline(checkpoint, new ComputePlacement(CPU, ScalarType.Float32)));

    private static CausalLanguageModel Load(string folder, ComputePlacement placement, Func<ModelCheckpoint, ModelConfig, WeightSource> weights)
    {
        var config = ModelConfig.Load(folder);
        using var checkpoint = ModelCheckpoint.Open(folder);
        CheckpointFit.RequireAllUsed(config, checkpoint);
        var model = new CausalLanguageModel(config, placement, weights(checkpoint, config));
        // What quantising took lies in holes between what is kept.
        if (model.Format != WeightFormat.Dense) HeapMemory.GiveBack();
        foreach (var layer in model.LinearLayers()) layer.StoredSample = WeightSample.Of(checkpoint, $"{layer.Name}.weight");
        return model;
    }

    /// <summary>Lays a model out on the meta device, where tensors have a shape and no memory: what a config says, part by part.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="seen">Told the name and shape of each weight.</param>
    internal static CausalLanguageModel Layout(ModelConfig config, Action<string, long[]>? seen = null)
    {
        var meta = new ComputePlacement(new Device(DeviceType.META), ScalarType.Float32);
        return new CausalLanguageModel(config, meta, new WeightSource((name, shape) =>
        {
            seen?.Invoke(name, shape);
            return empty(shape, meta.DType, meta.Device);
        }));
    }

    /// <summary>Makes a model with fresh random weights.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="placement">Device and number format.</param>
    /// <param name="seed">Seed of the weights; the same seed gives the same model on every device.</param>
    public static CausalLanguageModel Create(ModelConfig config, ComputePlacement placement, long seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(placement);
        return new CausalLanguageModel(config, placement, WeightSource.Random(placement, seed, config.Spec.Norm));
    }

    /// <summary>The decoder below the head.</summary>
    internal CausalDecoder Decoder { get; }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config => Decoder.Config;

    /// <summary>Device and number format of weights and activations.</summary>
    public ComputePlacement Placement => Decoder.Placement;

    /// <summary>All linear layers by full name, the head included where it is a layer of its own.</summary>
    internal IEnumerable<LinearLayer> LinearLayers() => _parts.SelectMany(part => part.LinearLayers());

    /// <summary>Hidden states of a batch, (N × T × hidden); see <see cref="CausalDecoder.Forward"/>.</summary>
    public Tensor Hidden(Tensor ids, SequenceLayout layout, KeyValueCache? cache = null) => Decoder.Forward(ids, layout, cache);

    /// <summary>Logits of the hidden states given, and of no others.</summary>
    /// <param name="hidden">(…, hidden).</param>
    /// <returns>(…, vocabulary).</returns>
    public Tensor Logits(Tensor hidden)
    {
        var logits = _head?.forward(hidden) ?? Head.Multiply(hidden);
        if (_logitDivisor is not null) logits = logits.div(_logitDivisor);
        return _logitCap is null ? logits : logits.div(_logitCap).tanh().mul(_logitCap);
    }

    /// <summary>Turns the gradient of <see cref="Logits"/> into that of the head's product, in place.</summary>
    /// <param name="gradient">(…, vocabulary).</param>
    /// <param name="logits">The logits it belongs to, of the same shape; they are used up. Null where <see cref="HasLogitCap"/> is false.</param>
    internal void BackThroughLogits(Tensor gradient, Tensor? logits)
    {
        // d(c·tanh(z/c))/dz = 1 − (y/c)², y the capped logit.
        if (_logitCap is not null) gradient.addcmul_(gradient, logits!.div_(_logitCap).pow_(Scalars.Two), Scalars.MinusOne);
        if (_logitDivisor is not null) gradient.div_(_logitDivisor);
    }

    /// <summary>Whether logits are capped, so that their gradient needs them.</summary>
    internal bool HasLogitCap => _logitCap is not null;

    /// <summary>The head's weights, (vocabulary × hidden): its own, or the embeddings it shares.</summary>
    internal WeightMatrix Head { get; }

    /// <summary>Whether the head has an adapter or trained weights.</summary>
    internal bool HeadLearns => _head?.Adapter is not null || (Head.Format == WeightFormat.Dense && Head.Parameter.requires_grad);

    /// <summary>Nothing: the weights are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var part in _parts) part.Dispose();
            _logitDivisor?.Dispose();
            _logitCap?.Dispose();
        }
        base.Dispose(disposing);
    }

    /// <summary>How the linear layers hold their weights: dense, or what is not so among them.</summary>
    public WeightFormat Format => LinearLayers().Select(layer => layer.Weight.Format).FirstOrDefault(format => format != WeightFormat.Dense);

    /// <summary>Bytes of all numbers in the format that is computed in, however they are held.</summary>
    internal long ComputedBytes => named_parameters().Sum(p => p.parameter.numel() * p.parameter.element_size())
        + LinearLayers().Where(layer => layer.Weight.Format != WeightFormat.Dense).Sum(layer => layer.InFeatures * layer.OutFeatures * Decoder.Embedding.element_size());

    /// <summary>Lets libtorch compute with the threads that fit the model, until the result is disposed.</summary>
    internal IDisposable UseThreads() => ComputeThreads.Use(ComputedBytes, Placement.Device.type);

    /// <summary>Makes sure that all weights can be written to and saved.</summary>
    /// <exception cref="InvalidOperationException">Some are quantised.</exception>
    internal void RequireDense(string purpose) => LinearLayer.RequireDense(LinearLayers(), purpose);

    /// <summary>Weights by checkpoint name, as <see cref="ModelCheckpoint.Save"/> takes them; the tensors stay the model's. Quantised ones are not among them.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Weights() =>
        named_parameters().Select(p => KeyValuePair.Create(p.name, (Tensor)p.parameter));

    /// <summary>Writes the whole model: <c>config.json</c> and weights. Tokenizer files are the caller's to copy.</summary>
    /// <param name="folder">Created if missing.</param>
    /// <param name="maxShardBytes">Above this the weights are split.</param>
    /// <exception cref="InvalidOperationException">Weights are quantised.</exception>
    public void Save(string folder, long maxShardBytes = 5_000_000_000)
    {
        RequireDense("Saving");
        ModelOutput.Save(folder, Config, Weights(), maxShardBytes);
    }
}
