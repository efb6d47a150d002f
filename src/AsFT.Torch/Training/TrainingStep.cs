using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>One optimizer step: the loss and its gradient over all micro-batches, then the penalty's, then the update.</summary>
internal sealed class TrainingStep(CausalDecoder decoder, HeadPass head, LoraAdapter? adapter, AlignmentPenalty? penalty, FlatParameters parameters, AdamW optimizer, TrainingOptions options)
{
    // Asked once: walking the modules costs more than the rest of a small step.
    private readonly int _firstTrained = options.ActivationCheckpointing ? RecomputedPass.FirstTrained(decoder) : 0;

    /// <summary>Numbers of a step, still on the device; reading them makes the host wait.</summary>
    /// <param name="CrossEntropy">Mean over the step's labels, supervised tokens for a language model; scalar.</param>
    /// <param name="Penalty">Not multiplied by λ, scalar; null when it was not measured.</param>
    /// <param name="GradientNorm">Before clipping, scalar; null when it was not measured.</param>
    public readonly record struct Measures(Tensor CrossEntropy, Tensor? Penalty, Tensor? GradientNorm);

    /// <summary>Finds the penalty's weight; null: it is the option's.</summary>
    public PenaltyController? Controller { get; init; }

    /// <summary>Weights w′ (n) and ρ of a term ρ/2·‖w − w′‖²; null: none.</summary>
    public (Tensor Anchor, double Weight)? Proximal { get; init; }

    /// <summary>Runs the step.</summary>
    /// <param name="microBatches">Its forward passes.</param>
    /// <param name="learningRate">Its rate.</param>
    /// <param name="measureAll">Whether numbers that the step itself does not need are taken too.</param>
    public Measures Run(IReadOnlyList<TrainingBatch> microBatches, double learningRate, bool measureAll)
    {
        using var scope = NewDisposeScope();
        parameters.Gradients.zero_();

        // One mean over the labels of the whole step, taken after the sums: in float16 a gradient per label can be too
        // small to be represented.
        var supervised = microBatches.Sum(batch => batch.Labels.Length);
        var crossEntropy = zeros(1, parameters.Values.dtype, parameters.Values.device);
        for (var i = 0; i < microBatches.Count; i++)
        {
            using var activations = NewDisposeScope();
            adapter?.SeedDropout(optimizer.Steps, i);
            crossEntropy.add_(Backward(microBatches[i]), Scalars.One);
        }
        using Scalar count = supervised;
        parameters.Gradients.div_(count);
        crossEntropy.div_(count);

        var penaltyValue = penalty is null ? null
            : Controller is not null ? penalty.AccumulateGradients(Controller.Weight(), parameters.SideBySide)
            : options.PenaltyWeight > 0 ? penalty.AccumulateGradients(options.PenaltyWeight, parameters.SideBySide)
            : measureAll ? penalty.Evaluate() : null;

        if (Proximal is { } proximal)
        {
            using var _ = no_grad();
            using Scalar weight = proximal.Weight;
            parameters.Gradients.add_(parameters.Values - proximal.Anchor, alpha: weight);
        }

        Tensor? norm = null;
        if (options.MaxGradientNorm is not null || measureAll) norm = parameters.Gradients.norm();
        if (options.MaxGradientNorm is { } limit)
        {
            using Scalar most = limit, margin = 1e-6;
            parameters.Gradients.mul_(norm!.add(margin, Scalars.One).reciprocal_().mul_(most).clamp_(max: Scalars.One));
        }

        optimizer.Step(learningRate);
        return new(crossEntropy.MoveToOuterDisposeScope(), penaltyValue?.MoveToOuterDisposeScope(), norm?.MoveToOuterDisposeScope());
    }

    /// <summary>Cross-entropy summed over a batch's supervised tokens, scalar, without a gradient; logits are computed for those alone.</summary>
    public static Tensor CrossEntropy(CausalLanguageModel model, TrainingBatch batch)
    {
        var (ids, predictors, labels) = Upload(batch, model.Placement.Device);
        return HeadLoss.Value(model, model.Hidden(ids, SequenceLayout.RightPadded), predictors, labels);
    }

    // The loss summed over the labels, its gradient added to the trained tensors'.
    private Tensor Backward(TrainingBatch batch)
    {
        var (ids, predictors, labels) = Upload(batch, decoder.Placement.Device);
        if (!options.ActivationCheckpointing) return head(decoder.Forward(ids, SequenceLayout.RightPadded), predictors, labels);
        var pass = new RecomputedPass(decoder, _firstTrained, ids, SequenceLayout.RightPadded);
        var loss = head(pass.Hidden, predictors, labels);
        pass.Backward();
        return loss;
    }

    // All uploads before the first kernel, so that none of them waits for one.
    private static (Tensor Ids, Tensor Predictors, Tensor Labels) Upload(TrainingBatch batch, Device device) =>
        (Upload(batch.Ids, device).view(batch.Rows.Length, batch.Width), Upload(batch.Predictors, device), Upload(batch.Labels, device));

    private static Tensor Upload(long[] values, Device device) => device.type == TorchSharp.DeviceType.CUDA
        ? tensor(values).pin_memory().to(device, non_blocking: true)
        : tensor(values, device: device);
}
