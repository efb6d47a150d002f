using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Families;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>A decoder with a classification head on the last real token (the form of Hugging Face's <c>LlamaForSequenceClassification</c> and its like).</summary>
internal sealed class SequenceClassifier : nn.Module
{
    private readonly LinearLayer _score;

    private SequenceClassifier(ModelConfig config, ComputePlacement placement, WeightSource weights, WeightSource head) : base(nameof(SequenceClassifier))
    {
        if (config.Labels.Count == 0) throw new InvalidDataException("A sequence classifier needs class names (id2label) in config.json; there are none.");
        Decoder = new CausalDecoder(config, placement, weights);
        _score = new LinearLayer("score", config.HiddenSize, config.Labels.Count, bias: false, head);
        foreach (var (name, weight) in Decoder.Weights().Concat(_score.Weights())) register_parameter(name, weight);
        eval();
    }

    /// <summary>Reads a classifier.</summary>
    /// <param name="folder">A Hugging Face folder: <c>config.json</c> and safetensors weights.</param>
    /// <param name="placement">Device and number format; null chooses.</param>
    /// <exception cref="InvalidDataException">The files are damaged, do not fit each other, or describe another architecture.</exception>
    public static SequenceClassifier Load(string folder, ComputePlacement? placement = null)
    {
        placement ??= ComputePlacement.Resolve();
        var config = ModelConfig.Load(folder);
        using var checkpoint = ModelCheckpoint.Open(folder);
        CheckpointFit.RequireAllUsed(config, checkpoint);
        var weights = new CheckpointWeights(checkpoint, config, placement);
        return new SequenceClassifier(config, placement, weights, weights);
    }

    /// <summary>Makes a classifier on top of a pretrained decoder, with a fresh head.</summary>
    /// <param name="folder">Folder of a causal language model or classifier to take the decoder from.</param>
    /// <param name="labels">Class names.</param>
    /// <param name="problemType"><c>multi_label_classification</c> or <c>single_label_classification</c>.</param>
    /// <param name="placement">Device and number format; null chooses.</param>
    /// <param name="seed">Seed of the head.</param>
    /// <exception cref="InvalidDataException">The files are damaged, do not fit each other, or describe another architecture; or there are no class names.</exception>
    /// <exception cref="InvalidOperationException">The folder's weights are quantised.</exception>
    public static SequenceClassifier FromDecoder(string folder, IReadOnlyList<string> labels, string problemType, ComputePlacement? placement = null, long seed = 0)
    {
        placement ??= ComputePlacement.Resolve();
        var config = ModelConfig.Load(folder) with { Labels = labels, ProblemType = problemType };
        config = config with { Architecture = $"{ModelFamily.Find(config.ModelType)!.ClassName}ForSequenceClassification" };
        using var checkpoint = ModelCheckpoint.Open(folder);
        CheckpointFit.RequireAllUsed(config, checkpoint);
        var model = new SequenceClassifier(config, placement, new CheckpointWeights(checkpoint, config, placement), WeightSource.Random(placement, seed));
        try
        {
            // It is made to be trained and saved.
            LinearLayer.RequireDense(model.LinearLayers(), "Making a classifier");
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The decoder below the head.</summary>
    public CausalDecoder Decoder { get; }

    /// <summary>The classification head, (classes × hidden).</summary>
    public LinearLayer Score => _score;

    /// <summary>All linear layers by full name, the head (<c>score</c>) included.</summary>
    public IEnumerable<LinearLayer> LinearLayers() => [.. Decoder.LinearLayers(), _score];

    /// <summary>Class logits of each row, taken at its last real token.</summary>
    /// <param name="ids">Token ids, (N × T) int64, padded on the right.</param>
    /// <param name="lengths">Real tokens per row, (N) int64 on the model's device.</param>
    /// <returns>(N × classes).</returns>
    public Tensor Forward(Tensor ids, Tensor lengths)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        var hidden = Decoder.Forward(ids, SequenceLayout.RightPadded);
        var last = (lengths - Scalars.One).view(-1, 1, 1).expand(-1, 1, hidden.shape[2]);
        return _score.forward(hidden.gather(1, last).squeeze(1));
    }

    /// <summary>Nothing: the weights are registered under the checkpoint's names; TorchSharp would add each field once more.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Decoder.Dispose();
            _score.Dispose();
        }
        base.Dispose(disposing);
    }

    /// <summary>Writes the whole classifier: <c>config.json</c> and weights. Tokenizer files are the caller's to copy.</summary>
    /// <param name="folder">Created if missing.</param>
    /// <exception cref="InvalidOperationException">Weights are quantised.</exception>
    public void Save(string folder)
    {
        LinearLayer.RequireDense(LinearLayers(), "Saving");
        ModelOutput.Save(folder, Decoder.Config, named_parameters().Select(p => KeyValuePair.Create(p.name, (Tensor)p.parameter)));
    }
}
