using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using static TorchSharp.torch;

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
        if (adapter.Layers.Any(layer => !ReferenceEquals(layer.Target.Adapter, layer)))
            throw new InvalidOperationException("The adapter is merged or disposed; only an attached adapter can be trained.");
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
        Check(examples, nameof(examples));
        if (validation is not null) Check(validation, nameof(validation));
        if (_options.EarlyStoppingPatience is not null && validation is null)
            throw new ArgumentException("EarlyStoppingPatience needs validation examples.", nameof(validation));

        using var parameters = new FlatParameters(_adapter.Parameters);
        using var optimizer = new AdamW(parameters, _options);
        var plan = new BatchPlan([.. examples.Select(example => example.Ids.Length)], _options);
        var stepsPerLook = _options.RefusalCheckEvery ?? Math.Max(1, plan.TotalSteps / 32);
        using var controller = Controller(plan.TotalSteps / stepsPerLook);
        using var meter = new TrainingMeter(_options, _penalty, plan, progress, controller);
        var checkpoint = _options.CheckpointFolder is null ? null : new TrainingCheckpoint(_options.CheckpointFolder,
            TrainingCheckpoint.Fingerprint(_model, _adapter, _penalty, _options, examples, validation, controller is null ? null : HeldOutRefusals), parameters, optimizer, controller);
        using var best = new BestValues(parameters);
        var run = new Run(this, examples, validation, plan, optimizer, parameters, meter, checkpoint, best, controller, stepsPerLook, cancellationToken);
        _adapter.Train(true);
        try
        {
            return run.Execute();
        }
        finally
        {
            _adapter.Train(false);
        }
    }

    private PenaltyController? Controller(int looks)
    {
        if (_options.RefusalTolerance is not { } tolerance) return null;
        if (_penalty is null) throw new InvalidOperationException($"{nameof(TrainingOptions.RefusalTolerance)} steers the weight of the alignment penalty; there is none.");
        if (HeldOutRefusals is null) throw new InvalidOperationException($"{nameof(TrainingOptions.RefusalTolerance)} needs {nameof(HeldOutRefusals)}.");
        Check(HeldOutRefusals, nameof(HeldOutRefusals));
        return new PenaltyController(_model, HeldOutRefusals, _options.PenaltyWeight, tolerance, looks, _options.MicroBatchSize ?? _options.BatchSize);
    }

    private void Check(IReadOnlyList<TokenizedExample> examples, string name)
    {
        ArgumentNullException.ThrowIfNull(examples, name);
        if (examples.Count == 0) throw new ArgumentException("There are no examples.", name);
        for (var i = 0; i < examples.Count; i++)
        {
            var (ids, supervised) = (examples[i].Ids, examples[i].Supervised);
            if (ids.Length != supervised.Length)
                throw new ArgumentException($"Example {i} has {ids.Length} tokens but {supervised.Length} supervision marks.", name);
            if (ids.Length > _model.Config.MaxPositions)
                throw new ArgumentException($"Example {i} has {ids.Length} tokens; the model has {_model.Config.MaxPositions} positions. Cut it to a maximum length.", name);
            if (TrainingBatch.SupervisedCount(examples[i]) == 0)
                throw new ArgumentException($"Example {i} has no supervised token: its response is empty, or was cut off with the maximum length.", name);
            foreach (var id in ids)
                if (id < 0 || id >= _model.Config.VocabularySize)
                    throw new ArgumentException($"Example {i} has token {id}; the model knows 0 to {_model.Config.VocabularySize - 1}. Is it the right tokenizer?", name);
        }
    }

    /// <summary>One call of <see cref="Train"/>.</summary>
    private sealed class Run(FineTuner tuner, IReadOnlyList<TokenizedExample> examples, IReadOnlyList<TokenizedExample>? validation, BatchPlan plan,
        AdamW optimizer, FlatParameters parameters, TrainingMeter meter, TrainingCheckpoint? checkpoint, BestValues best, PenaltyController? controller, int stepsPerLook, CancellationToken cancellationToken)
    {
        private readonly TrainingOptions _options = tuner._options;
        private readonly TrainingStep _step = new(tuner._model, tuner._adapter, tuner._penalty, parameters, optimizer, tuner._options, controller);
        private TrainingState _state = new();

        private bool IsStopped => _state.EpochsSinceBest >= (_options.EarlyStoppingPatience ?? int.MaxValue);

        private double? ValidationLoss => double.IsNaN(_state.ValidationLoss) ? null : _state.ValidationLoss;

        public TrainingResult Execute()
        {
            if (_options.Resume && checkpoint is not null && File.Exists(checkpoint.Path)) Resume();
            else LookAtRefusals(isStart: true);
            while (_state.Step < plan.TotalSteps && !IsStopped) RunEpoch(_state.Step / plan.StepsPerEpoch);
            if (_options.EarlyStoppingPatience is not null && best.Restore()) _state = _state with { ValidationLoss = _state.BestLoss };
            return Result();
        }

        private void RunEpoch(int epoch)
        {
            var steps = plan.Epoch(epoch);
            var first = _state.Step - epoch * plan.StepsPerEpoch;
            var end = Math.Min(plan.StepsPerEpoch, plan.TotalSteps - epoch * plan.StepsPerEpoch);
            if (first == 0) meter.StartEpoch();
            // The next step's batches are made while the device works on this one.
            var next = Task.Run(() => Batches(steps[first]), cancellationToken);
            for (var i = first; i < end; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var batches = next.GetAwaiter().GetResult();
                if (i + 1 < end)
                {
                    var rows = steps[i + 1];
                    next = Task.Run(() => Batches(rows), cancellationToken);
                }
                Step(batches, isEpochEnd: i + 1 == end);
            }
        }

        private void Step(TrainingBatch[] batches, bool isEpochEnd)
        {
            using var scope = NewDisposeScope();
            var done = _state.Step + 1;
            var isReport = meter.IsReportDue(done) || isEpochEnd && validation is not null;
            var rate = LearningRate.At(_options, _state.Step, plan.TotalSteps, plan.StepsPerEpoch);
            var measures = _step.Run(batches, rate, measureAll: isReport);
            meter.Add(done, measures, batches);
            _state = _state with { Step = done };
            if (done % stepsPerLook == 0) LookAtRefusals(isStart: false);

            var isCheckpoint = checkpoint is not null && (_options.CheckpointEvery is { } every ? done % every == 0 : isEpochEnd);
            if (!isReport && !isCheckpoint) return;
            meter.Settle();
            if (isEpochEnd) Validate();
            if (isReport) meter.Report(done, (double)done / plan.StepsPerEpoch, rate, measures, isEpochEnd ? ValidationLoss : null);
            if (isCheckpoint) SaveCheckpoint();
        }

        private void LookAtRefusals(bool isStart)
        {
            if (controller is null) return;
            tuner._adapter.Train(false);
            if (isStart) Start();
            else controller.Adjust();
            tuner._adapter.Train(true);
        }

        private void Start()
        {
            controller!.Start();
            // The one look that is waited for: λ would follow what is no number.
            if (!double.IsFinite(TrainingMeter.Read(controller.Reference))) throw Evaluation.Explain(tuner._model, tuner.HeldOutRefusals!, "held-out refusal");
        }

        private double RefusalLoss()
        {
            if (controller is null) return double.NaN;
            tuner._adapter.Train(false);
            return TrainingMeter.Read(controller.Measure()) - TrainingMeter.Read(controller.Reference);
        }

        private void Validate()
        {
            if (validation is null) return;
            tuner._adapter.Train(false);
            var loss = Evaluation.CrossEntropy(tuner._model, validation, _options.MicroBatchSize ?? _options.BatchSize, cancellationToken);
            tuner._adapter.Train(true);
            _state = _state with { ValidationLoss = loss };
            if (loss < _state.BestLoss)
            {
                _state = _state with { BestLoss = loss, EpochsSinceBest = 0 };
                if (_options.EarlyStoppingPatience is not null) best.Keep();
            }
            else
            {
                _state = _state with { EpochsSinceBest = _state.EpochsSinceBest + 1 };
            }
        }

        private void Resume()
        {
            (_state, var values) = checkpoint!.Load();
            best.Take(values);
            meter.EpochCrossEntropy = _state.EpochCrossEntropy;
            meter.LastCheckpoint = checkpoint.Path;
        }

        private void SaveCheckpoint()
        {
            meter.RequireFinite(parameters, _state.Step);
            checkpoint!.Save(_state with { EpochCrossEntropy = meter.EpochCrossEntropy }, best.Values);
            meter.LastCheckpoint = checkpoint.Path;
        }

        private TrainingBatch[] Batches(int[] rows) => [.. plan.MicroBatches(rows).Select(micro => TrainingBatch.Create(examples, micro))];

        private TrainingResult Result()
        {
            meter.Settle();
            meter.RequireFinite(parameters, _state.Step);
            using var scope = NewDisposeScope();
            return new TrainingResult
            {
                Steps = _state.Step,
                Rows = RowCounts.Of(examples),
                ValidationRows = validation is null ? null : RowCounts.Of(validation),
                RefusalRows = controller is null ? null : RowCounts.Of(tuner.HeldOutRefusals!),
                StoppedEarly = IsStopped,
                CrossEntropy = meter.EpochCrossEntropy.Sum / meter.EpochCrossEntropy.Count,
                Penalty = tuner._penalty is null ? 0 : TrainingMeter.Read(tuner._penalty.Evaluate()),
                PenaltyWeight = meter.PenaltyWeight(),
                RefusalLoss = RefusalLoss(),
                RefusalTolerance = controller is null ? null : _options.RefusalTolerance,
                AnchoredShare = meter.AnchoredShare(),
                AnchoredEnergy = tuner._penalty is { } anchors && _options.MeasureAnchoredShare ? anchors.AnchoredEnergy : double.NaN,
                ValidationLoss = ValidationLoss,
                Duration = meter.Elapsed,
                Tokens = meter.Tokens,
                History = meter.History,
            };
        }
    }

    /// <summary>The adapter with the best validation loss so far.</summary>
    private sealed class BestValues(FlatParameters parameters) : IDisposable
    {
        public Tensor? Values { get; private set; }

        public void Keep() => Take(parameters.Values.clone().DetachFromDisposeScope());

        public void Take(Tensor? values)
        {
            Values?.Dispose();
            Values = values;
        }

        public bool Restore()
        {
            if (Values is null) return false;
            parameters.Values.copy_(Values);
            return true;
        }

        public void Dispose() => Values?.Dispose();
    }
}
