using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation;

/// <summary>Turns the logits of a batch into its next tokens, on the device.</summary>
internal static class TokenChooser
{
    /// <summary>Stands where a token would, in a row whose scores are not all finite.</summary>
    public const long NoToken = -1;

    /// <summary>The chosen tokens, with <see cref="NoToken"/> in rows whose scores are not all finite: found out on the device, told to the host with the tokens.</summary>
    /// <param name="logits">(N × V).</param>
    /// <param name="chosen">(N × 1) int64.</param>
    public static Tensor Marked(Tensor logits, Tensor chosen)
    {
        using Scalar none = NoToken;
        // 0 times a number is 0, and NaN where it is infinite or none.
        return chosen.masked_fill(logits.mul(Scalars.Zero).sum(-1, keepdim: true).ne(Scalars.Zero), none);
    }

    /// <summary>Logits of seen tokens divided (positive) or multiplied (negative) by the penalty.</summary>
    /// <param name="logits">(N × V).</param>
    /// <param name="seen">(N × V) bool.</param>
    /// <param name="penalty">&gt; 0.</param>
    public static Tensor PenalizeRepetition(Tensor logits, Tensor seen, double penalty)
    {
        using Scalar factor = penalty;
        return where(seen, where(logits.gt(Scalars.Zero), logits.div(factor), logits.mul(factor)), logits);
    }

    /// <summary>The most likely token of each row, (N × 1).</summary>
    public static Tensor Greedy(Tensor logits) => logits.argmax(-1, keepdim: true);

    /// <summary>A token of each row, drawn by inverting the distribution function.</summary>
    /// <param name="logits">(N × V) float32 or float64.</param>
    /// <param name="options">Temperature &gt; 0, top-p and top-k.</param>
    /// <param name="uniform">One number in [0, 1) a row, (N × 1).</param>
    /// <returns>(N × 1) int64.</returns>
    public static Tensor Sample(Tensor logits, GenerationOptions options, Tensor uniform)
    {
        using Scalar temperature = options.Temperature;
        var scaled = logits.div(temperature);
        Tensor? order = null;
        var kept = Math.Min(options.TopK ?? int.MaxValue, scaled.shape[1]);
        if (kept < scaled.shape[1])
            (scaled, order) = scaled.topk((int)kept, -1, largest: true, sorted: true);
        else if (options.TopP < 1)
            (scaled, order) = scaled.sort(-1, descending: true, stable: true);

        var probability = scaled.softmax(-1);
        var cumulative = probability.cumsum(-1);
        if (options.TopP < 1)
        {
            // A token stays while those before it fall short of p: the first always does.
            using Scalar mass = options.TopP;
            var beyond = (cumulative - probability).ge(mass);
            beyond.narrow(-1, 0, 1).fill_(Scalars.Zero);
            cumulative = cumulative.masked_fill(beyond, Scalars.Zero);
        }
        // The draw is scaled by the mass that was kept, which stands in for dividing every probability by it.
        var target = uniform * cumulative.amax([-1L], keepdim: true);
        // First token whose cumulative probability exceeds the target; it cannot be one of probability 0.
        var place = cumulative.gt(target).to(ScalarType.Int8).argmax(-1, keepdim: true);
        return order is null ? place : order.gather(-1, place);
    }
}
