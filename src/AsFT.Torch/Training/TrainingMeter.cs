using System.Diagnostics;
using AsFT.Torch.Alignment;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>Keeps the numbers of a run on the device and reads them once per report.</summary>
internal sealed class TrainingMeter(TrainingOptions options, AlignmentPenalty? penalty, BatchPlan plan, IProgress<TrainingProgress>? progress, PenaltyController? controller = null) : IDisposable
{
    private readonly List<(int Step, Tensor CrossEntropy, IReadOnlyList<TrainingBatch> Batches)> _pending = [];
    private readonly List<TrainingProgress> _history = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _lastReport;
    private long _tokensAtReport;
    private int _firstStep = -1;
    private (double Sum, int Count) _sinceReport;

    /// <summary>Every report so far.</summary>
    public IReadOnlyList<TrainingProgress> History => _history;

    /// <summary>Real tokens trained on.</summary>
    public long Tokens { get; private set; }

    /// <summary>Sum of the steps' cross-entropies in the current epoch, and their number.</summary>
    public (double Sum, int Count) EpochCrossEntropy { get; set; }

    /// <summary>What a message about a failed run names as the place to go on from.</summary>
    public string? LastCheckpoint { get; set; }

    /// <summary>Time of this run.</summary>
    public TimeSpan Elapsed => _clock.Elapsed;

    /// <summary>Whether a report is due after a step that is not added yet: after the first one of this call, so that a long run shows at once that it works, and then every <see cref="TrainingOptions.ReportEvery"/>.</summary>
    public bool IsReportDue(int step) => _firstStep < 0 || step % options.ReportEvery == 0 || step == plan.TotalSteps;

    /// <summary>Notes a step without reading anything from the device.</summary>
    public void Add(int step, TrainingStep.Measures measures, IReadOnlyList<TrainingBatch> batches)
    {
        if (_firstStep < 0) _firstStep = step - 1;
        _pending.Add((step, measures.CrossEntropy.DetachFromDisposeScope(), batches));
        AddTokens(batches);
    }

    /// <summary>Counts the tokens of a step whose loss is not reported.</summary>
    public void AddTokens(IReadOnlyList<TrainingBatch> batches) => Tokens += batches.Sum(batch => (long)batch.TokenCount);

    /// <summary>Checks what is trained: the loss of a step is measured before its update.</summary>
    /// <exception cref="TrainingDivergedException">Not all of it is finite.</exception>
    public void RequireFinite(FlatParameters parameters, int step)
    {
        using var scope = NewDisposeScope();
        if (!parameters.Values.isfinite().all().item<bool>())
            throw new TrainingDivergedException($"What is trained holds infinite or undefined numbers after step {step}. {WhatHelps}");
    }

    private const string BeforeLearning = "Nothing had been learnt yet: the model itself has no finite scores there. Asked for an answer, it names the layer in which they begin; weights are damaged, or float16 is too narrow.";

    private string WhatHelps => "A lower learning rate or MaxGradientNorm usually helps. "
        + (LastCheckpoint is null ? "No training checkpoint was written." : $"The last good checkpoint is '{LastCheckpoint}'.");

    /// <summary>Begins the mean of a new epoch.</summary>
    public void StartEpoch()
    {
        Settle();
        EpochCrossEntropy = default;
    }

    /// <summary>Reads the cross-entropies noted since the last call.</summary>
    /// <exception cref="TrainingDivergedException">One of them is not finite.</exception>
    public void Settle()
    {
        if (_pending.Count == 0) return;
        double[] values;
        using (NewDisposeScope())
            values = [.. cat([.. _pending.Select(p => p.CrossEntropy)]).cpu().to(ScalarType.Float64).data<double>()];
        for (var i = 0; i < values.Length; i++)
            if (!double.IsFinite(values[i]))
            {
                var rows = string.Join(", ", _pending[i].Batches.SelectMany(batch => batch.Rows));
                throw new TrainingDivergedException($"The loss became {values[i]} at step {_pending[i].Step} (examples {rows}). {(_pending[i].Step == 1 ? BeforeLearning : WhatHelps)}");
            }
        EpochCrossEntropy = (EpochCrossEntropy.Sum + values.Sum(), EpochCrossEntropy.Count + values.Length);
        _sinceReport = (_sinceReport.Sum + values.Sum(), _sinceReport.Count + values.Length);
        Clear();
    }

    /// <summary>Makes and hands out a report.</summary>
    public void Report(int step, double epoch, double learningRate, TrainingStep.Measures measures, double? validationLoss)
    {
        var now = _clock.Elapsed;
        var rate = (Tokens - _tokensAtReport) / Math.Max(1e-9, (now - _lastReport).TotalSeconds);
        (_lastReport, _tokensAtReport) = (now, Tokens);
        var crossEntropy = _sinceReport.Sum / _sinceReport.Count;
        _sinceReport = default;
        var report = new TrainingProgress(step, plan.TotalSteps, epoch, crossEntropy,
            measures.Penalty is null ? 0 : Read(measures.Penalty), AnchoredShare(),
            learningRate, measures.GradientNorm is null ? double.NaN : Read(measures.GradientNorm), rate,
            now / Math.Max(1, step - _firstStep) * (plan.TotalSteps - step), validationLoss)
        {
            PenaltyWeight = PenaltyWeight(),
            RefusalLoss = controller is null ? double.NaN : Read(controller.RefusalLoss),
        };
        _history.Add(report);
        progress?.Report(report);
    }

    /// <summary>λ of the last step; NaN without a penalty.</summary>
    public double PenaltyWeight()
    {
        if (controller is null) return penalty is null ? double.NaN : options.PenaltyWeight;
        using var scope = NewDisposeScope();
        return Read(controller.Weight());
    }

    /// <summary>Share of the update in the anchored subspace; NaN when it is not asked for.</summary>
    public double AnchoredShare()
    {
        if (penalty is null || !options.MeasureAnchoredShare) return double.NaN;
        using var scope = NewDisposeScope();
        return Read(penalty.AnchoredShare());
    }

    /// <summary>Reads a scalar.</summary>
    public static double Read(Tensor scalar)
    {
        // By way of the host: not every device knows float64.
        using var scope = NewDisposeScope();
        return scalar.cpu().to(ScalarType.Float64).item<double>();
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (var (_, value, _) in _pending) value.Dispose();
        _pending.Clear();
    }
}
