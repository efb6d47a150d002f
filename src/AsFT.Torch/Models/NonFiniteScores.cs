using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Finds the layer in which infinite or undefined scores begin. Runs once, when a result has shown them; a pass itself looks at no layer.</summary>
internal static class NonFiniteScores
{
    /// <summary>What to throw when a causal model's scores behind a sequence are not finite.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">The sequence.</param>
    /// <param name="what">Of what the scores are, for the message: <c>token 3 of an answer</c>.</param>
    public static NonFiniteScoresException Explain(CausalLanguageModel model, IReadOnlyList<int> ids, string what) =>
        Explain(model.Decoder, [.. model.Weights()], model.LinearLayers(), model.Logits, "lm_head", model.Head, ids, what);

    /// <summary>What to throw when a classifier's scores of a sequence are not finite.</summary>
    /// <inheritdoc cref="Explain(CausalLanguageModel, IReadOnlyList{int}, string)"/>
    public static NonFiniteScoresException Explain(SequenceClassifier model, IReadOnlyList<int> ids, string what) =>
        Explain(model.Decoder, [.. model.named_parameters().Select(p => KeyValuePair.Create(p.name, (Tensor)p.parameter))], model.LinearLayers(), model.Score.forward, "score", model.Score.Weight, ids, what);

    private static NonFiniteScoresException Explain(CausalDecoder decoder, IReadOnlyList<KeyValuePair<string, Tensor>> weights, IEnumerable<LinearLayer> layers, Func<Tensor, Tensor> head, string headName, WeightMatrix headWeight, IReadOnlyList<int> ids, string what)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var beginning = Begins(decoder, head, headName, ids);
        var start = $"The model's scores of {what} are infinite or not numbers";
        if (beginning is null) return new($"{start}; computed again by itself, the sequence shows no such number in any layer. {Format(decoder.Placement.DType)}");
        return Damaged(weights, layers, beginning, headName, headWeight) is { } weight
            ? new($"{start}. They begin in '{beginning}', whose '{weight}' holds such numbers: a file is damaged, or a training wrote them.")
            : new($"{start}. They begin in '{beginning}', whose weights are finite. {Format(decoder.Placement.DType)}");
    }

    private static string Format(ScalarType dtype) => dtype == ScalarType.Float16
        ? "float16 ends at 65,504; take bfloat16 or float32."
        : $"What is computed leaves the range of {dtype}: weights of another scale, or an adapter of another model.";

    private static string? Begins(CausalDecoder decoder, Func<Tensor, Tensor> head, string headName, IReadOnlyList<int> ids)
    {
        var name = decoder.Config.Spec.DecoderName;
        var hidden = decoder.Embed(tensor(ids.Select(id => (long)id).ToArray(), [1, ids.Count], device: decoder.Placement.Device));
        if (!IsFinite(hidden)) return $"{name}.embed_tokens";
        var context = decoder.Context(SequenceLayout.RightPadded, ids.Count, cache: null);
        for (var i = 0; i < decoder.Layers.Count; i++)
        {
            hidden = decoder.Layers[i].Forward(hidden, context.Of(i));
            if (!IsFinite(hidden)) return $"{name}.layers.{i}";
        }
        hidden = decoder.Normalize(hidden);
        if (!IsFinite(hidden)) return $"{name}.norm";
        return IsFinite(head(hidden)) ? null : headName;
    }

    // The first weight of the part, or of an adapter on it, that is not finite.
    private static string? Damaged(IReadOnlyList<KeyValuePair<string, Tensor>> weights, IEnumerable<LinearLayer> layers, string part, string headName, WeightMatrix headWeight)
    {
        bool Belongs(string weight) => weight.StartsWith(part + ".", StringComparison.Ordinal);
        foreach (var (weight, value) in weights)
            if (Belongs(weight) && !IsFinite(value)) return weight;
        foreach (var layer in layers.Where(layer => layer.Name == part || Belongs(layer.Name)))
            foreach (var (name, value) in layer.Adapter?.Weights ?? [])
                if (!IsFinite(value)) return $"{layer.Name}.{name}";
        // A head that is the embeddings has no weight of its own name.
        return part == headName && !IsFinite(headWeight.Parameter) ? $"{headName}.weight" : null;
    }

    private static bool IsFinite(Tensor values) => values.isfinite().all().item<bool>();
}
