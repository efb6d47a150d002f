using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Safety.Judges;

/// <summary>A judge's training: the loop of all trainings, on binary cross-entropy behind a head that learns.</summary>
internal sealed class JudgeTrainingRun : IDisposable
{
    private readonly SequenceClassifier _model;
    private readonly IReadOnlyList<JudgeTrainingRow> _rows;
    private readonly TrainingOptions _options;
    private readonly Parameter _head;
    private readonly TrainingLoop _loop;

    public JudgeTrainingRun(SequenceClassifier model, LoraAdapter? adapter, IReadOnlyList<JudgeTrainingRow> rows, TrainingOptions options, IProgress<JudgeTrainingProgress>? progress)
    {
        (_model, _rows, _options) = (model, rows, options);
        // A copy in float32: small updates would be lost in a half-precision head.
        _head = new Parameter(model.Score.Weight.Parameter.detach().to(LoraAdapter.AdapterDType(model.Score), copy: true).DetachFromDisposeScope());
        _loop = new TrainingLoop(options, model.Decoder, Backward, [_head, .. adapter?.Parameters ?? []], [.. rows.Select(row => row.Ids.Length)], step => Batch(rows, step))
        {
            Adapter = adapter,
            Progress = progress is null ? null : new DirectProgress<TrainingProgress>(report =>
                progress.Report(new(report.Step, report.TotalSteps, report.Epoch, report.CrossEntropy, report.LearningRate, report.GradientNorm))),
        };
    }

    public TrainingResult Train(CancellationToken cancellationToken) => _loop.Run(cancellationToken);

    /// <summary>Loss and share of right flags on other examples.</summary>
    public (double Loss, BinomialRate Accuracy) Evaluate(IReadOnlyList<JudgeTrainingRow> rows, CancellationToken cancellationToken)
    {
        using var _ = no_grad();
        double loss = 0;
        var right = 0;
        foreach (var part in Enumerable.Range(0, rows.Count).OrderBy(i => rows[i].Ids.Length).Chunk(_options.MicroBatchSize ?? _options.BatchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = Batch(rows, part);
            var device = _head.device;
            var hidden = _model.Decoder.Forward(tensor(batch.Ids, [part.Length, batch.Width], device: device), SequenceLayout.RightPadded);
            var logits = Logits(hidden, tensor(batch.Predictors, device: device));
            var labels = tensor(batch.Labels, device: device).view_as(logits);
            loss += TrainingMeter.Read(Loss(logits, labels)) / labels.shape[1];
            right += (int)logits.gt(Scalars.Zero).any(1).eq(labels.gt(Scalars.Zero).any(1)).sum().item<long>();
        }
        if (!double.IsFinite(loss)) throw new NonFiniteScoresException($"The trained judge's loss on {rows.Count} validation rows is {loss}; a smaller learning rate, gradient clipping or a wider number format may help.");
        return (loss / rows.Count, new(right, rows.Count));
    }

    /// <summary>Puts the trained head into the model.</summary>
    public void FinishHead()
    {
        using var _ = no_grad();
        _model.Score.Weight.Parameter.copy_(_head);
    }

    public void Dispose()
    {
        _loop.Dispose();
        _head.Dispose();
    }

    // A conversation is judged at its last token, on every category.
    private static TrainingBatch Batch(IReadOnlyList<JudgeTrainingRow> rows, int[] part)
    {
        var (ids, lengths, width) = ModerationInput.Pad([.. part.Select(i => rows[i].Ids)]);
        return new(part, width, ids, [.. lengths.Select((length, n) => (long)n * width + length - 1)], [.. part.SelectMany(i => rows[i].Labels)], (int)lengths.Sum());
    }

    private Tensor Backward(Tensor hidden, Tensor predictors, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var logits = Logits(hidden, predictors);
        var loss = Loss(logits, labels.view_as(logits));
        loss.backward();
        return loss.detach().MoveToOuterDisposeScope();
    }

    private Tensor Logits(Tensor hidden, Tensor predictors) => nn.functional.linear(HeadLoss.Select(hidden, predictors).to(_head.dtype), _head);

    // Summed over examples and categories.
    private static Tensor Loss(Tensor logits, Tensor labels) => nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction: nn.Reduction.Sum);
}
