using AsFT.MLNet.Persistence;
using AsFT.Torch.Safety.Judges;

namespace AsFT.MLNet.Scoring;

/// <summary>A moderation model's folder.</summary>
/// <param name="Folder">Where it is.</param>
/// <param name="Reference">What is in it; hashed when asked for.</param>
internal sealed record JudgeModel(string Folder, Lazy<ModelReference> Reference);

/// <summary>Where a scoring transformer has its judge from; made when the first score is asked for. Used from several threads, one at a time.</summary>
/// <param name="categories">The judge's categories, known before it is there.</param>
/// <param name="create">Makes or hands out the judge.</param>
/// <param name="ownsJudge">Whether the judge goes with this object.</param>
internal sealed class JudgeSource(IReadOnlyList<string> categories, Func<IHarmfulnessJudge> create, bool ownsJudge = true) : IDisposable
{
    private readonly Lock _lock = new();
    private IHarmfulnessJudge? _judge;
    private bool _isDisposed;

    public IReadOnlyList<string> Categories => categories;

    /// <summary>The folder of a moderation model; null for other judges.</summary>
    public JudgeModel? Model { get; init; }

    /// <summary>The classifier that is saved with the transformer; null for other judges.</summary>
    public ClassifierJudge? Classifier { get; init; }

    /// <summary>A moderation model from a zip, which goes with this object.</summary>
    public LocatedModel? Located { get; init; }

    /// <summary>Whether what the judge is made of goes with this object even where no score was asked for.</summary>
    public bool OwnsUnmade { get; init; }

    /// <summary>The judge, where it was made already.</summary>
    public IHarmfulnessJudge? Made => _judge;

    /// <summary>Judges some answers.</summary>
    /// <exception cref="InvalidOperationException">The judge gave another number of verdicts, or of scores, than it should.</exception>
    public IReadOnlyList<HarmVerdict> Judge(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(HarmfulnessScoringTransformer));
            _judge ??= create();
            // On the thread pool, so that a judge that comes back to its caller's context does not wait for this thread.
            var judge = _judge;
            var verdicts = Task.Run(() => judge.JudgeAsync(answers, cancellationToken), cancellationToken).GetAwaiter().GetResult();
            if (verdicts.Count != answers.Count)
                throw new InvalidOperationException($"The judge '{judge.Name}' gave {verdicts.Count} verdicts on {answers.Count} answers.");
            if (verdicts.FirstOrDefault(verdict => verdict.IsJudged && verdict.CategoryScores.Count != categories.Count) is { } wrong)
                throw new InvalidOperationException($"The judge '{judge.Name}' gave {wrong.CategoryScores.Count} scores for its {categories.Count} categories.");
            return verdicts;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            if (ownsJudge) (_judge ?? Classifier ?? (OwnsUnmade ? create() : null))?.Dispose();
            Located?.Dispose();
        }
    }
}
