using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>
/// Finds λ during a run from what it is there for: the likelihood of refusals that are not trained on. Let e be how far
/// their mean cross-entropy lies above where it began, Δ its change since the last look, t the tolerance, n the looks in all,
/// and x = (e + n/8·Δ)/(t/2) − 1: where e is going to be in an eighth of the run, against half of what is allowed. At each
/// look log λ moves by ½·min(x, 2) where x is above 0, and by ln(3)/n·max(x, −1) below: up fast when refusals are in danger,
/// down slowly, to a third over a whole run, while they are not. Looking ahead (the D of a PID controller, as in Stooke et
/// al., arXiv 2007.03964) and aiming low are what makes a run end within the tolerance: the weights follow λ with a delay,
/// and at the end of a schedule, when the rate is low, they follow no more. Where e has fallen since the last look, λ has
/// done its work and rises no further. Everything stays on the device, so nothing waits for it.
/// </summary>
internal sealed class PenaltyController : IDisposable
{
    private const double Gain = 0.5, MostRise = 2, MostDecades = 4, Aim = 0.5, RunAhead = 1 / 8.0;
    private static readonly double FallPerRun = Math.Log(3), Decade = Math.Log(10);

    private readonly CausalLanguageModel _model;
    private readonly IReadOnlyList<TokenizedExample> _refusals;
    private readonly TrainingBatch[] _batches;
    private readonly long _tokens;
    private readonly double _aim, _ahead, _logInitial, _fall;

    public PenaltyController(CausalLanguageModel model, IReadOnlyList<TokenizedExample> refusals, double initialWeight, double tolerance, int looks, int batchSize)
    {
        (_model, _refusals, _aim, _logInitial) = (model, refusals, Aim * tolerance, Math.Log(initialWeight));
        (_ahead, _fall) = (RunAhead * looks, Math.Min(Gain, FallPerRun / Math.Max(1, looks)));
        _batches = [.. Enumerable.Range(0, refusals.Count).OrderByDescending(i => refusals[i].Ids.Length).Chunk(batchSize)
            .Select(rows => TrainingBatch.Create(refusals, rows))];
        _tokens = _batches.Sum(batch => (long)batch.Labels.Length);
        State = tensor(new[] { (float)_logInitial, 0f, 0f }, device: model.Placement.Device).DetachFromDisposeScope();
    }

    /// <summary>Optimizer steps between two looks.</summary>
    public int StepsPerLook { get; init; } = 1;

    /// <summary>log λ, the cross-entropy at the start and that at the last look, (3) in float32; all that a resumed run needs.</summary>
    public Tensor State { get; }

    /// <summary>The mean cross-entropy at the start, a scalar.</summary>
    public Tensor Reference => State[1];

    /// <summary>By how much the refusals' mean cross-entropy had risen at the last look, a scalar.</summary>
    public Tensor RefusalLoss => State[2] - State[1];

    /// <summary>λ, a scalar.</summary>
    public Tensor Weight() => State[0].exp();

    /// <summary>Takes the model as it is for the one whose refusals are to be kept. Dropout must be off.</summary>
    /// <exception cref="NonFiniteScoresException">It has no finite scores for one of them; names it.</exception>
    public void Start()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        State.narrow(0, 1, 2).copy_(Measure());
        // The one look that is waited for: λ would follow what is no number.
        if (!double.IsFinite(TrainingMeter.Read(Reference))) throw Evaluation.Explain(_model, _refusals, "held-out refusal");
    }

    /// <summary>Looks at the refusals and moves λ. Dropout must be off.</summary>
    public void Adjust()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var now = Measure();
        var change = now - State[2];
        var isRising = change.ge(Scalars.Zero).to(State.dtype);
        State[2].copy_(now);
        using Scalar aim = _aim, ahead = _ahead, gain = Gain, fall = _fall, low = -1, high = MostRise, zero = 0, one = 1,
            least = _logInitial - MostDecades * Decade, most = _logInitial + MostDecades * Decade;
        var excess = RefusalLoss.add(change, alpha: ahead).div_(aim).sub_(one);
        State[0].add_(excess.clamp(zero, high).mul_(isRising), alpha: gain).add_(excess.clamp(low, zero), alpha: fall).clamp_(least, most);
    }

    /// <summary>Mean cross-entropy of the refusals, in nats per token, a scalar in float32.</summary>
    public Tensor Measure()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var sum = zeros([], ScalarType.Float32, _model.Placement.Device);
        foreach (var batch in _batches)
        {
            using var activations = NewDisposeScope();
            sum.add_(TrainingStep.CrossEntropy(_model, batch), Scalars.One);
        }
        using Scalar count = _tokens;
        return sum.div_(count).MoveToOuterDisposeScope();
    }

    public void Dispose() => State.Dispose();
}
