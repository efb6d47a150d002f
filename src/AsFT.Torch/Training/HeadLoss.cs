using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>A loss behind a decoder: summed over the labels, its gradient taken back through the graph of the hidden states.</summary>
/// <param name="hidden">Normalised hidden states, (N × T × hidden).</param>
/// <param name="predictors">Flat positions in N·T that are looked at, int64.</param>
/// <param name="labels">What is to be predicted there, int64.</param>
/// <returns>A scalar without a graph.</returns>
internal delegate Tensor HeadPass(Tensor hidden, Tensor predictors, Tensor labels);

/// <summary>
/// Cross-entropy behind the head, summed over supervised tokens, and its gradient. Logits are by far the widest tensor of a
/// step, and autograd would keep four of them; here a bounded number of rows is made at a time and becomes its own gradient,
/// softmax − one-hot, in place.
/// </summary>
internal static class HeadLoss
{
    /// <summary>Bytes of logits at once.</summary>
    public const long ChunkBytes = 128 << 20;

    /// <summary>The pass of a language model's own head.</summary>
    public static HeadPass Of(CausalLanguageModel model) => (hidden, predictors, labels) => Backward(model, hidden, predictors, labels);

    /// <summary>The loss alone, a scalar; logits are made for the given positions and for no others.</summary>
    /// <param name="model">Gives the head.</param>
    /// <param name="hidden">Normalised hidden states, (N × T × hidden).</param>
    /// <param name="predictors">Flat positions in N·T, (S) int64.</param>
    /// <param name="labels">Their tokens, (S) int64.</param>
    /// <param name="chunkBytes">Bytes of logits at once, at most.</param>
    public static Tensor Value(CausalLanguageModel model, Tensor hidden, Tensor predictors, Tensor labels, long chunkBytes = ChunkBytes)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Take(model, Select(hidden, predictors), labels, gradient: null, chunkBytes).MoveToOuterDisposeScope();
    }

    /// <summary>The loss, with its gradient taken back through the graph of <paramref name="hidden"/>.</summary>
    /// <returns>A scalar without a graph.</returns>
    /// <inheritdoc cref="Value"/>
    public static Tensor Backward(CausalLanguageModel model, Tensor hidden, Tensor predictors, Tensor labels, long chunkBytes = ChunkBytes)
    {
        using var scope = NewDisposeScope();
        var selected = Select(hidden, predictors);
        if (model.HeadLearns)
        {
            // A head that learns needs its own gradient as well.
            var loss = nn.functional.cross_entropy(Widened(model.Logits(selected)), labels, reduction: nn.Reduction.Sum);
            loss.backward();
            return loss.detach().MoveToOuterDisposeScope();
        }
        if (!selected.requires_grad) return Value(model, hidden, predictors, labels, chunkBytes).MoveToOuterDisposeScope();
        Tensor sum, gradient;
        using (no_grad())
        {
            gradient = empty_like(selected);
            sum = Take(model, selected, labels, gradient, chunkBytes);
        }
        autograd.backward(selected, gradient);
        return sum.MoveToOuterDisposeScope();
    }

    private static Tensor Take(CausalLanguageModel model, Tensor selected, Tensor labels, Tensor? gradient, long chunkBytes)
    {
        var rows = Math.Max(1, chunkBytes / (model.Config.VocabularySize * (selected.dtype == ScalarType.Float64 ? 8L : 4)));
        Tensor? sum = null;
        for (long first = 0; first < selected.shape[0]; first += rows)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(rows, selected.shape[0] - first);
            var logits = Widened(model.Logits(selected.narrow(0, first, count)));
            var capped = gradient is not null && model.HasLogitCap ? logits.clone() : null;
            var label = labels.narrow(0, first, count).unsqueeze(1);
            // −log softmax at the label: log Σ exp(z − max) − (z_label − max).
            logits.sub_(logits.amax([-1L], keepdim: true));
            var target = logits.gather(1, label);
            var total = logits.exp_().sum(1, keepdim: true);
            var part = total.log().sub_(target).sum();
            sum = sum is null ? part.MoveToOuterDisposeScope() : sum.add_(part, Scalars.One);
            if (gradient is null) continue;
            logits.div_(total);
            logits.scatter_(1, label, logits.gather(1, label).sub_(Scalars.One));
            model.BackThroughLogits(logits, capped);
            gradient.narrow(0, first, count).copy_(model.Head.MultiplyBack(logits.to(selected.dtype)));
        }
        return sum!;
    }

    /// <summary>The hidden states at flat positions, (S × hidden).</summary>
    public static Tensor Select(Tensor hidden, Tensor predictors) => hidden.view(-1, hidden.shape[2]).index_select(0, predictors);

    // A half format would lose the small differences that late training lives on.
    private static Tensor Widened(Tensor logits) =>
        logits.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? logits.to(ScalarType.Float32) : logits;
}
