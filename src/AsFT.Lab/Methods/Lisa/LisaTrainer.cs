using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Training;

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
        adapter.RequireAttached();
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
        TrainableExamples.Require(_model.Config, task, nameof(task));
        TrainableExamples.Require(_model.Config, alignment, nameof(alignment));
        using var others = Batches(alignment).GetEnumerator();
        using var loop = new TrainingLoop(_options, _model.Decoder, HeadLoss.Of(_model), _adapter.Parameters, [.. task.Select(example => example.Ids.Length)], rows => TrainingBatch.Create(task, rows))
        {
            Adapter = _adapter,
            Progress = progress,
        };
        // The weights at which the last turn ended.
        using var anchor = loop.Parameters.Values.clone().DetachFromDisposeScope();
        loop.BeforeStep = AlignmentTurn;
        loop.Proximal = _lisa.ProximalWeight > 0 ? (anchor, _lisa.ProximalWeight) : null;
        return loop.Run(cancellationToken) with { Rows = RowCounts.Of(task) };

        void AlignmentTurn(int done, Action<TrainingBatch[]> step)
        {
            if (done % _lisa.TaskSteps != 0) return;
            anchor.copy_(loop.Parameters.Values);
            for (var i = 0; i < _lisa.AlignmentSteps; i++)
            {
                others.MoveNext();
                step(others.Current);
            }
            anchor.copy_(loop.Parameters.Values);
        }
    }

    private IEnumerable<TrainingBatch[]> Batches(IReadOnlyList<TokenizedExample> examples)
    {
        var plan = new BatchPlan([.. examples.Select(example => example.Ids.Length)], _options);
        for (var epoch = 0; ; epoch++)
            foreach (var rows in plan.Epoch(epoch))
                yield return [.. plan.MicroBatches(rows).Select(micro => TrainingBatch.Create(examples, micro))];
    }
}
