using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>
/// The training loop, the same for all that is trained here: an adapter, all weights of a small model, a judge's head. Each step
/// takes the examples that the plan names at the rate of the schedule; between steps the run looks at refusals, validates, reports
/// and writes checkpoints. What differs is handed in: what is trained, what a batch is and the loss behind the decoder, and,
/// for runs that have them, adapter, penalty, refusals, validation, checkpoint and steps of another kind.
/// </summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingOptions _options;
    private readonly CausalDecoder _decoder;
    private readonly HeadPass _head;
    private readonly Func<int[], TrainingBatch> _batch;
    private readonly BestValues _best;

    /// <param name="options">Options of the run, checked.</param>
    /// <param name="decoder">The decoder that batches go through.</param>
    /// <param name="head">The loss behind it.</param>
    /// <param name="trained">What is trained.</param>
    /// <param name="lengths">Tokens of each example.</param>
    /// <param name="batch">Makes a forward pass of the examples of these numbers; on the host, on any thread.</param>
    public TrainingLoop(TrainingOptions options, CausalDecoder decoder, HeadPass head, IEnumerable<Parameter> trained, IReadOnlyList<int> lengths, Func<int[], TrainingBatch> batch)
    {
        (_options, _decoder, _head, _batch) = (options, decoder, head, batch);
        Plan = new BatchPlan(lengths, options);
        Parameters = new FlatParameters(trained);
        Optimizer = new AdamW(Parameters, options);
        _best = new BestValues(Parameters);
    }

    /// <summary>Which examples each step takes.</summary>
    public BatchPlan Plan { get; }

    /// <summary>What is trained.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>The optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>The adapter in the decoder, whose dropout is on during steps; null: none.</summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>The penalty on the adapter; null: none.</summary>
    public AlignmentPenalty? Penalty { get; init; }

    /// <summary>Finds the penalty's weight from refusals; null: it is the option's.</summary>
    public PenaltyController? Controller { get; set; }

    /// <summary>Loss on validation examples, at the end of each epoch; null: none.</summary>
    public Func<double>? Validation { get; init; }

    /// <summary>Where the run is written and resumed from; null: nowhere.</summary>
    public TrainingCheckpoint? Checkpoint { get; set; }

    /// <summary>Called before each step with the steps done, and with what makes a step of other batches at the same rate; null: nothing comes between.</summary>
    public Action<int, Action<TrainingBatch[]>>? BeforeStep { get; set; }

    /// <summary>Weights w′ (n) and ρ of a term ρ/2·‖w − w′‖²; null: none.</summary>
    public (Tensor Anchor, double Weight)? Proximal { get; set; }

    /// <summary>Gets the reports.</summary>
    public IProgress<TrainingProgress>? Progress { get; init; }

    /// <summary>Trains to the end of the plan, or until validation gets no better.</summary>
    /// <returns>What it came to; rows are the caller's to count.</returns>
    /// <exception cref="TrainingDivergedException">The loss, or what is trained, became infinite or not a number.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TrainingResult Run(CancellationToken cancellationToken)
    {
        using var meter = new TrainingMeter(_options, Penalty, Plan, Progress, Controller);
        var step = new TrainingStep(_decoder, _head, Adapter, Penalty, Parameters, Optimizer, _options) { Controller = Controller, Proximal = Proximal };
        var state = new TrainingState();
        Adapter?.Train(true);
        try
        {
            if (_options.Resume && Checkpoint is not null && File.Exists(Checkpoint.Path)) state = Resume(meter);
            else WithoutDropout(() => Controller?.Start());

            for (var epoch = state.Step / Plan.StepsPerEpoch; state.Step < Plan.TotalSteps && !IsStopped(state); epoch++)
            {
                var first = state.Step - epoch * Plan.StepsPerEpoch;
                if (first == 0) meter.StartEpoch();
                foreach (var (batches, isEpochEnd) in Steps(epoch, first, cancellationToken))
                {
                    using var scope = NewDisposeScope();
                    var rate = LearningRate.At(_options, state.Step, Plan.TotalSteps, Plan.StepsPerEpoch);
                    BeforeStep?.Invoke(state.Step, others =>
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        using var inner = NewDisposeScope();
                        step.Run(others, rate, measureAll: false);
                        meter.AddTokens(others);
                    });

                    var done = state.Step + 1;
                    var isReport = meter.IsReportDue(done) || isEpochEnd && Validation is not null;
                    var measures = step.Run(batches, rate, measureAll: isReport);
                    meter.Add(done, measures, batches);
                    state = state with { Step = done };
                    if (Controller is not null && done % Controller.StepsPerLook == 0) WithoutDropout(Controller.Adjust);

                    var isCheckpoint = Checkpoint is not null && (_options.CheckpointEvery is { } every ? done % every == 0 : isEpochEnd);
                    if (!isReport && !isCheckpoint) continue;
                    meter.Settle();
                    if (isEpochEnd) state = Validate(state);
                    if (isReport) meter.Report(done, (double)done / Plan.StepsPerEpoch, rate, measures, isEpochEnd ? ValidationLoss(state) : null);
                    if (isCheckpoint) Save(state, meter);
                }
            }
            if (_options.EarlyStoppingPatience is not null && _best.Restore()) state = state with { ValidationLoss = state.BestLoss };
            meter.Settle();
            meter.RequireFinite(Parameters, state.Step);
        }
        finally
        {
            Adapter?.Train(false);
        }
        return Result(state, meter);
    }

    /// <summary>Frees optimizer and gradients; what was trained lives on.</summary>
    public void Dispose()
    {
        _best.Dispose();
        Optimizer.Dispose();
        Parameters.Dispose();
    }

    // The next step's batches are made while the device works on this one's.
    private IEnumerable<(TrainingBatch[] Batches, bool IsEpochEnd)> Steps(int epoch, int first, CancellationToken cancellationToken)
    {
        var steps = Plan.Epoch(epoch);
        var end = Math.Min(steps.Length, Plan.TotalSteps - epoch * Plan.StepsPerEpoch);
        Task<TrainingBatch[]> Make(int i) => Task.Run(() => Plan.MicroBatches(steps[i]).Select(_batch).ToArray(), cancellationToken);
        var next = Make(first);
        for (var i = first; i < end; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var batches = next.GetAwaiter().GetResult();
            if (i + 1 < end) next = Make(i + 1);
            yield return (batches, i + 1 == end);
        }
    }

    private TrainingState Validate(TrainingState state)
    {
        if (Validation is null) return state;
        var loss = double.NaN;
        WithoutDropout(() => loss = Validation());
        state = state with { ValidationLoss = loss };
        if (!(loss < state.BestLoss)) return state with { EpochsSinceBest = state.EpochsSinceBest + 1 };
        if (_options.EarlyStoppingPatience is not null) _best.Keep();
        return state with { BestLoss = loss, EpochsSinceBest = 0 };
    }

    private TrainingState Resume(TrainingMeter meter)
    {
        var (state, best) = Checkpoint!.Load();
        _best.Take(best);
        meter.EpochCrossEntropy = state.EpochCrossEntropy;
        meter.LastCheckpoint = Checkpoint.Path;
        return state;
    }

    private void Save(TrainingState state, TrainingMeter meter)
    {
        meter.RequireFinite(Parameters, state.Step);
        Checkpoint!.Save(state with { EpochCrossEntropy = meter.EpochCrossEntropy }, _best.Values);
        meter.LastCheckpoint = Checkpoint.Path;
    }

    private void WithoutDropout(Action look)
    {
        Adapter?.Train(false);
        look();
        Adapter?.Train(true);
    }

    private bool IsStopped(TrainingState state) => state.EpochsSinceBest >= (_options.EarlyStoppingPatience ?? int.MaxValue);

    private static double? ValidationLoss(TrainingState state) => double.IsNaN(state.ValidationLoss) ? null : state.ValidationLoss;

    private TrainingResult Result(TrainingState state, TrainingMeter meter)
    {
        using var scope = NewDisposeScope();
        return new TrainingResult
        {
            Steps = state.Step,
            StoppedEarly = IsStopped(state),
            CrossEntropy = meter.EpochCrossEntropy.Sum / meter.EpochCrossEntropy.Count,
            Penalty = Penalty is null ? 0 : TrainingMeter.Read(Penalty.Evaluate()),
            PenaltyWeight = meter.PenaltyWeight(),
            RefusalLoss = Controller is null ? double.NaN : TrainingMeter.Read(Controller.Measure()) - TrainingMeter.Read(Controller.Reference),
            RefusalTolerance = Controller is null ? null : _options.RefusalTolerance,
            AnchoredShare = meter.AnchoredShare(),
            AnchoredEnergy = Penalty is not null && _options.MeasureAnchoredShare ? Penalty.AnchoredEnergy : double.NaN,
            ValidationLoss = ValidationLoss(state),
            Duration = meter.Elapsed,
            Tokens = meter.Tokens,
            History = meter.History,
        };
    }
}
