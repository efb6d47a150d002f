using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;

namespace AsFT.Torch.Training;

/// <summary>Trains an adapter on a frozen model: mean cross-entropy over supervised tokens plus λ times the alignment penalty.</summary>
public sealed class FineTuner
{
    private readonly CausalLanguageModel _model;
    private readonly LoraAdapter _adapter;
    private readonly AlignmentPenalty? _penalty;
    private readonly TrainingOptions _options;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">The frozen, aligned model.</param>
    /// <param name="adapter">The adapter attached to it; it is trained in place.</param>
    /// <param name="penalty">The alignment penalty over the adapter's layers. Null trains without; with λ = 0 it is only measured.</param>
    /// <param name="options">Options of the run.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">The model is in float16.</exception>
    /// <exception cref="InvalidOperationException">The adapter is merged or disposed.</exception>
    public FineTuner(CausalLanguageModel model, LoraAdapter adapter, AlignmentPenalty? penalty, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        model.Placement.RequireTrainable();
        adapter.RequireAttached();
        (_model, _adapter, _penalty, _options) = (model, adapter, penalty, options);
    }

    /// <summary>
    /// Refusals of prompts unlike those trained on, as chat examples; never trained on, only looked at when
    /// <see cref="TrainingOptions.RefusalTolerance"/> asks for it. A few dozen do; the aligned model can write them itself.
    /// </summary>
    public IReadOnlyList<TokenizedExample>? HeldOutRefusals { get; init; }

    /// <summary>Runs the training.</summary>
    /// <param name="examples">Tokenised examples, each with at least one supervised token after its first.</param>
    /// <param name="validation">Examples to measure the loss on after each epoch; null: none.</param>
    /// <param name="progress">Gets a report after the first step and every <see cref="TrainingOptions.ReportEvery"/> steps, on the calling thread.</param>
    /// <param name="cancellationToken">Stops the run between steps; training checkpoints already written stay.</param>
    /// <exception cref="ArgumentException">There are no examples, or one of them cannot be trained on; names it.</exception>
    /// <exception cref="InvalidOperationException">The loss became infinite or not a number, or RefusalTolerance is set and there is no penalty, or no held-out refusals.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TrainingResult Train(IReadOnlyList<TokenizedExample> examples, IReadOnlyList<TokenizedExample>? validation = null,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        TrainableExamples.Require(_model.Config, examples, nameof(examples));
        if (validation is not null) TrainableExamples.Require(_model.Config, validation, nameof(validation));
        if (_options.EarlyStoppingPatience is not null && validation is null)
            throw new ArgumentException("EarlyStoppingPatience needs validation examples.", nameof(validation));

        using var loop = new TrainingLoop(_options, _model.Decoder, HeadLoss.Of(_model), _adapter.Parameters, [.. examples.Select(example => example.Ids.Length)], rows => TrainingBatch.Create(examples, rows))
        {
            Adapter = _adapter,
            Penalty = _penalty,
            Validation = validation is null ? null : () => Evaluation.CrossEntropy(_model, validation, _options.MicroBatchSize ?? _options.BatchSize, cancellationToken),
            Progress = progress,
        };
        using var controller = Controller(loop.Plan.TotalSteps);
        loop.Controller = controller;
        if (_options.CheckpointFolder is { } folder)
            loop.Checkpoint = new TrainingCheckpoint(folder, TrainingCheckpoint.Fingerprint(_model, _adapter, _penalty, _options, examples, validation, controller is null ? null : HeldOutRefusals), _model.Format,
                loop.Parameters, loop.Optimizer, controller);
        return loop.Run(cancellationToken) with
        {
            Rows = RowCounts.Of(examples),
            ValidationRows = validation is null ? null : RowCounts.Of(validation),
            RefusalRows = controller is null ? null : RowCounts.Of(HeldOutRefusals!),
            ContinuedFrom = _adapter.Origin is { } origin ? $"{origin.Name}, SHA-256 {origin.Sha256}" : null,
        };
    }

    private PenaltyController? Controller(int totalSteps)
    {
        if (_options.RefusalTolerance is not { } tolerance) return null;
        if (_penalty is null) throw new InvalidOperationException($"{nameof(TrainingOptions.RefusalTolerance)} steers the weight of the alignment penalty; there is none.");
        if (HeldOutRefusals is null) throw new InvalidOperationException($"{nameof(TrainingOptions.RefusalTolerance)} needs {nameof(HeldOutRefusals)}.");
        TrainableExamples.Require(_model.Config, HeldOutRefusals, nameof(HeldOutRefusals));
        var stepsPerLook = _options.RefusalCheckEvery ?? Math.Max(1, totalSteps / 32);
        return new PenaltyController(_model, HeldOutRefusals, _options.PenaltyWeight, tolerance, totalSteps / stepsPerLook, _options.MicroBatchSize ?? _options.BatchSize) { StepsPerLook = stepsPerLook };
    }
}
