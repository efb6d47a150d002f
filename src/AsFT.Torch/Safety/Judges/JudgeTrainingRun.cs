using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using AdamW = AsFT.Torch.Training.AdamW;

namespace AsFT.Torch.Safety.Judges;

/// <summary>The steps of one judge's training.</summary>
internal sealed class JudgeTrainingRun : IDisposable
{
    private readonly SequenceClassifier _model;
    private readonly LoraAdapter? _adapter;
    private readonly IReadOnlyList<JudgeTrainingRow> _rows;
    private readonly TrainingOptions _options;
    private readonly Parameter _head;
    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;

    public JudgeTrainingRun(SequenceClassifier model, LoraAdapter? adapter, IReadOnlyList<JudgeTrainingRow> rows, TrainingOptions options)
    {
        (_model, _adapter, _rows, _options) = (model, adapter, rows, options);
        // A copy in float32: small updates would be lost in a half-precision head.
        _head = new Parameter(model.Score.Weight.detach().to(LoraAdapter.AdapterDType(model.Score), copy: true).DetachFromDisposeScope());
        _parameters = new FlatParameters([_head, .. adapter?.Parameters ?? []]);
        _optimizer = new AdamW(_parameters, options);
    }

    /// <summary>Optimizer steps done.</summary>
    public int Steps { get; private set; }

    /// <summary>Mean loss over the steps of the last report.</summary>
    public double Loss { get; private set; }

    public void Train(IProgress<JudgeTrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var plan = new BatchPlan([.. _rows.Select(r => r.Ids.Length)], _options);
        _adapter?.Train(true);
        using var sum = zeros(1, _head.dtype, _head.device).DetachFromDisposeScope();
        var since = 0;
        for (var epoch = 0; Steps < plan.TotalSteps; epoch++)
            foreach (var step in plan.Epoch(epoch).Take(plan.TotalSteps - Steps))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var rate = LearningRate.At(_options, Steps, plan.TotalSteps, plan.StepsPerEpoch);
                var norm = Step(plan.MicroBatches(step), step.Length, rate, sum);
                Steps++;
                since++;
                if (Steps != 1 && Steps % _options.ReportEvery != 0 && Steps != plan.TotalSteps) continue;
                Loss = sum.cpu().to(ScalarType.Float64).item<double>() / since;
                if (!double.IsFinite(Loss)) throw new InvalidOperationException($"The judge's loss is {Loss} at step {Steps}; a smaller learning rate or gradient clipping may help.");
                progress?.Report(new(Steps, plan.TotalSteps, (double)Steps / plan.StepsPerEpoch, Loss, rate, norm.cpu().to(ScalarType.Float64).item<double>()));
                sum.zero_();
                since = 0;
            }
        _adapter?.Train(false);
    }

    /// <summary>Loss and share of right flags on other examples.</summary>
    public (double Loss, BinomialRate Accuracy) Evaluate(IReadOnlyList<JudgeTrainingRow> rows, CancellationToken cancellationToken)
    {
        using var _ = no_grad();
        double loss = 0;
        var right = 0;
        foreach (var batch in rows.OrderBy(r => r.Ids.Length).Chunk(_options.MicroBatchSize ?? _options.BatchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var labels = Labels(batch);
            var logits = Logits(batch);
            loss += SummedLoss(logits, labels).cpu().to(ScalarType.Float64).item<double>() / labels.shape[1];
            right += (int)logits.gt(Scalars.Zero).any(1).eq(labels.gt(Scalars.Zero).any(1)).sum().item<long>();
        }
        if (!double.IsFinite(loss)) throw new NonFiniteScoresException($"The trained judge's loss on {rows.Count} validation rows is {loss}; a smaller learning rate, gradient clipping or a wider number format may help.");
        return (loss / rows.Count, new(right, rows.Count));
    }

    /// <summary>Puts the trained head into the model.</summary>
    public void FinishHead()
    {
        using var _ = no_grad();
        _model.Score.Weight.copy_(_head);
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _parameters.Dispose();
        _head.Dispose();
    }

    // Adds the step's loss to sum and returns the gradient's norm before clipping.
    private Tensor Step(int[][] microBatches, int examples, double learningRate, Tensor sum)
    {
        using var scope = NewDisposeScope();
        _parameters.Gradients.zero_();
        using Scalar count = examples * _rows[0].Labels.Length;
        for (var m = 0; m < microBatches.Length; m++)
        {
            using var activations = NewDisposeScope();
            _adapter?.SeedDropout(_optimizer.Steps, m);
            JudgeTrainingRow[] batch = [.. microBatches[m].Select(i => _rows[i])];
            var labels = Labels(batch);
            var loss = SummedLoss(Logits(batch), labels) / count;
            loss.backward();
            sum.add_(loss.detach(), Scalars.One);
        }
        var norm = _parameters.Gradients.norm();
        if (_options.MaxGradientNorm is { } limit)
        {
            using Scalar most = limit, margin = 1e-6;
            _parameters.Gradients.mul_(norm.add(margin, Scalars.One).reciprocal_().mul_(most).clamp_(max: Scalars.One));
        }
        _optimizer.Step(learningRate);
        return norm.MoveToOuterDisposeScope();
    }

    // Summed over examples and categories.
    private static Tensor SummedLoss(Tensor logits, Tensor labels) => nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction: nn.Reduction.Sum);

    private Tensor Labels(JudgeTrainingRow[] batch) =>
        tensor(batch.SelectMany(r => r.Labels).ToArray(), [batch.Length, batch[0].Labels.Length], _head.dtype, _head.device);

    private Tensor Logits(JudgeTrainingRow[] batch)
    {
        var (ids, lengths, width) = ModerationInput.Pad([.. batch.Select(r => r.Ids)]);
        var hidden = _model.Decoder.Forward(tensor(ids, [batch.Length, width], device: _head.device), SequenceLayout.RightPadded);
        var last = (tensor(lengths, device: _head.device) - Scalars.One).view(-1, 1, 1).expand(-1, 1, hidden.shape[2]);
        return nn.functional.linear(hidden.gather(1, last).squeeze(1).to(_head.dtype), _head);
    }
}
