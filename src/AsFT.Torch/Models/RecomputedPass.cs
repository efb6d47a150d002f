using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>
/// A pass through a decoder that keeps one tensor per layer, its input, and recomputes the rest when the gradient comes back
/// (Chen et al., arXiv 1604.06174). Its tensors belong to the dispose scope that is open where it is made.
/// </summary>
internal sealed class RecomputedPass
{
    private readonly CausalDecoder _decoder;
    private readonly DecoderContext _context;
    private readonly Tensor _embedded;
    private readonly Tensor[] _inputs;
    private readonly Tensor _last;
    private readonly int _first;

    /// <param name="decoder">The decoder.</param>
    /// <param name="firstTrained">Number of the first layer that holds trained weights; see <see cref="FirstTrained"/>.</param>
    /// <param name="ids">Token ids, (N × T) int64 on the model's device.</param>
    /// <param name="layout">Positions and mask of this batch.</param>
    public RecomputedPass(CausalDecoder decoder, int firstTrained, Tensor ids, SequenceLayout layout)
    {
        (_decoder, _first) = (decoder, firstTrained);
        _context = decoder.Context(layout, ids.shape[1], cache: null);
        _embedded = decoder.Embed(ids);
        _inputs = new Tensor[decoder.Layers.Count];
        var hidden = _embedded.detach();
        using (no_grad())
        {
            for (var i = 0; i < _inputs.Length; i++)
            {
                _inputs[i] = hidden;
                hidden = decoder.Layers[i].Forward(hidden, _context.Of(i));
                // Nothing goes back further than the first trained layer, so nothing below is computed again.
                if (i < _first) _inputs[i].Dispose();
            }
        }
        _last = hidden;
        _last.requires_grad = _first < _inputs.Length || _embedded.requires_grad;
        Hidden = decoder.Normalize(_last);
    }

    /// <summary>Normalised hidden states, (N × T × hidden). Their graph ends at the last layer's output; <see cref="Backward"/> goes on from there.</summary>
    public Tensor Hidden { get; }

    /// <summary>
    /// Number of the first layer through which a gradient must go: the first with an adapter or trained weights, 0 where the
    /// embeddings are trained, the number of layers where nothing below the head is.
    /// </summary>
    public static int FirstTrained(CausalDecoder decoder)
    {
        if (decoder.Embedding.requires_grad) return 0;
        for (var i = 0; i < decoder.Layers.Count; i++)
            if (decoder.Layers[i].LinearLayers().Any(layer => layer.Adapter is not null) || decoder.Layers[i].Weights().Any(w => w.Weight.requires_grad))
                return i;
        return decoder.Layers.Count;
    }

    /// <summary>Takes the gradient from the last layer's output, where a backward pass over <see cref="Hidden"/> left it, down through the layers. Once only: inputs are freed on the way.</summary>
    public void Backward()
    {
        if (!_last.requires_grad) return;
        var gradient = _last.grad!;
        _last.Dispose();
        for (var i = _inputs.Length - 1; i >= _first; i--)
        {
            using var scope = NewDisposeScope();
            var input = _inputs[i];
            input.requires_grad = i > _first || _embedded.requires_grad;
            autograd.backward(_decoder.Layers[i].Forward(input, _context.Of(i)), gradient);
            gradient.Dispose();
            if (input.requires_grad) gradient = input.grad!.MoveToOuterDisposeScope();
            input.Dispose();
        }
        if (_embedded.requires_grad) autograd.backward(_embedded, gradient);
    }
}
