using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Lab.Methods.Lisa;

/// <summary>
/// Lisa (Huang et al., arXiv 2405.18641), here to compare methods: training alternates between alignment data and the task.
/// Each turn minimises its own loss plus ρ/2·‖w − w′‖² with w′ the weights at which the other turn ended, so that
/// neither drifts far from what the other found; w are A and B of the adapter.
/// </summary>
/// <remarks>
/// The task gets all the steps that it gets without Lisa, in the same order, so that its accuracy can be compared; the
/// alignment steps come on top, over alignment data in an order of their own, again and again. One AdamW and one schedule
/// run through both.
/// </remarks>
public sealed class LisaTrainer
{
    private readonly CausalLanguageModel _model;
    private readonly LoraAdapter _adapter;
    private readonly TrainingOptions _options;
    private readonly LisaOptions _lisa;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">The frozen, aligned model.</param>
    /// <param name="adapter">The adapter attached to it; it is trained in place.</param>
    /// <param name="options">The task's training. The penalty, validation and training checkpoints play no part.</param>
    /// <param name="lisa">Turns and proximal term; null: the paper's.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">The model is in float16.</exception>
    /// <exception cref="InvalidOperationException">The adapter is merged or disposed.</exception>
    public LisaTrainer(CausalLanguageModel model, LoraAdapter adapter, TrainingOptions options, LisaOptions? lisa = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(options);
        lisa ??= new();
        options.Validate();
        lisa.Validate();
        model.Placement.RequireTrainable();
        if (adapter.Layers.Any(layer => !ReferenceEquals(layer.Target.Adapter, layer)))
            throw new InvalidOperationException("The adapter is merged or disposed; only an attached adapter can be trained.");
        (_model, _adapter, _options, _lisa) = (model, adapter, options, lisa);
    }

    /// <summary>Runs the training.</summary>
    /// <param name="task">Tokenised examples of the task, each with a supervised token.</param>
    /// <param name="alignment">Tokenised alignment examples, such as refusals, each with a supervised token.</param>
    /// <param name="progress">Gets a report after the first task step and every <see cref="TrainingOptions.ReportEvery"/> of them.</param>
    /// <param name="cancellationToken">Stops the run between steps.</param>
    /// <returns>What the task came to; steps and cross-entropy are the task's, tokens those of both.</returns>
    /// <exception cref="ArgumentException">A list is empty, or an example has no supervised token; names it.</exception>
    /// <exception cref="TrainingDivergedException">The loss or the adapter became infinite or not a number.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TrainingResult Train(IReadOnlyList<TokenizedExample> task, IReadOnlyList<TokenizedExample> alignment,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Check(task, nameof(task));
        Check(alignment, nameof(alignment));
        _adapter.Train(true);
        try
        {
            using var parameters = new FlatParameters(_adapter.Parameters);
            using var optimizer = new AdamW(parameters, _options);
            var plan = new BatchPlan([.. task.Select(example => example.Ids.Length)], _options);
            using var meter = new TrainingMeter(_options, penalty: null, plan, progress);
            return Alternate(task, alignment, parameters, optimizer, plan, meter, cancellationToken);
        }
        finally
        {
            _adapter.Train(false);
        }
    }

    private TrainingResult Alternate(IReadOnlyList<TokenizedExample> task, IReadOnlyList<TokenizedExample> alignment, FlatParameters parameters,
        AdamW optimizer, BatchPlan plan, TrainingMeter meter, CancellationToken cancellationToken)
    {
        using var alignmentBatches = Batches(alignment, new BatchPlan([.. alignment.Select(example => example.Ids.Length)], _options)).GetEnumerator();
        using var taskBatches = Batches(task, plan).GetEnumerator();
        // The weights at which the last turn ended.
        using var anchor = parameters.Values.clone().DetachFromDisposeScope();
        var step = new TrainingStep(_model, _adapter, penalty: null, parameters, optimizer, _options)
        {
            Proximal = _lisa.ProximalWeight > 0 ? (anchor, _lisa.ProximalWeight) : null,
        };
        var done = 0;
        while (done < plan.TotalSteps)
        {
            for (var i = 0; i < _lisa.AlignmentSteps; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                alignmentBatches.MoveNext();
                step.Run(alignmentBatches.Current, Rate(done), measureAll: false);
                meter.AddTokens(alignmentBatches.Current);
            }
            anchor.copy_(parameters.Values);
            for (var i = 0; i < _lisa.TaskSteps && done < plan.TotalSteps; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                if (done % plan.StepsPerEpoch == 0) meter.StartEpoch();
                taskBatches.MoveNext();
                var rate = Rate(done++);
                var isReport = meter.IsReportDue(done);
                var measures = step.Run(taskBatches.Current, rate, measureAll: isReport);
                meter.Add(done, measures, taskBatches.Current);
                if (!isReport) continue;
                meter.Settle();
                meter.Report(done, (double)done / plan.StepsPerEpoch, rate, measures, validationLoss: null);
            }
            anchor.copy_(parameters.Values);
        }
        meter.RequireFinite(parameters, done);
        return meter.Result(done, task);

        double Rate(int taskSteps) => LearningRate.At(_options, taskSteps, plan.TotalSteps, plan.StepsPerEpoch);
    }

    private static IEnumerable<TrainingBatch[]> Batches(IReadOnlyList<TokenizedExample> examples, BatchPlan plan)
    {
        for (var epoch = 0; ; epoch++)
            foreach (var rows in plan.Epoch(epoch))
                yield return [.. plan.MicroBatches(rows).Select(micro => TrainingBatch.Create(examples, micro))];
    }

    private static void Check(IReadOnlyList<TokenizedExample> examples, string name)
    {
        ArgumentNullException.ThrowIfNull(examples, name);
        if (examples.Count == 0) throw new ArgumentException("There are no examples.", name);
        for (var i = 0; i < examples.Count; i++)
            if (TrainingBatch.SupervisedCount(examples[i]) == 0) throw new ArgumentException($"Example {i} has no supervised token.", name);
    }
}
