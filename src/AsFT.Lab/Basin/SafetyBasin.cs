using System.Diagnostics;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;

namespace AsFT.Lab.Basin;

/// <summary>
/// Looks at the safety basin (Yang et al., arXiv 2506.08473; Peng et al., arXiv 2405.17374): how a model's harmful score and its likelihood
/// of refusing change when its weights move from the aligned ones along D = W_aligned − W_base and along random directions across it.
/// </summary>
/// <remarks>
/// A point is W_aligned + α·D + β·R. α = 0 is the aligned model and α = −1 the base model, bit for bit, since by default every weight that
/// differs is moved: embeddings, norms, head and biases too. R holds, for every moved tensor, Gaussian numbers made orthogonal to that
/// tensor's D and scaled to its norm, so that α = 1 and β = 1 are steps of equal length in every tensor. The published pictures move along
/// filter-normalised directions; here the length of a step is that of alignment itself.
/// </remarks>
public static class SafetyBasin
{
    /// <summary>
    /// Measures the points. The model's weights are moved in place on its device; it must not be used otherwise meanwhile. When the call
    /// returns or throws, also by cancellation, the weights have their old bits.
    /// </summary>
    /// <param name="model">The aligned model; an attached adapter stays as it is at every point.</param>
    /// <param name="baseline">The base model's weights, of the same shape.</param>
    /// <param name="probe">Prompts, reference refusals and judge.</param>
    /// <param name="options">Directions and points; null takes the defaults.</param>
    /// <param name="progress">Told after each point.</param>
    /// <param name="cancellationToken">Looked at before every batch and token.</param>
    /// <exception cref="ArgumentException">An option is out of range, or there is no prompt or refusal, or one is too long for the model.</exception>
    /// <exception cref="InvalidDataException">The base model does not fit, or is damaged.</exception>
    /// <exception cref="InvalidOperationException">Both models agree in all chosen weights.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static BasinScan Scan(CausalLanguageModel model, ModelCheckpoint baseline, BasinProbe probe, BasinOptions? options = null,
        IProgress<BasinProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(baseline);
        ArgumentNullException.ThrowIfNull(probe);
        options ??= new BasinOptions();
        options.Validate();
        probe.Generation.Validate();
        var clock = Stopwatch.StartNew();
        var meter = new BasinMeter(model, probe);
        using var weights = MovedWeights.Open(model, baseline, options, cancellationToken);

        var along = BasinOptions.Grid(options.From, options.To, options.Points, -1, 0);
        var across = BasinOptions.Grid(options.From, options.To, options.Points, 0);
        var plane = options.SurfacePoints == 0 ? [] : BasinOptions.Grid(options.From, options.To, options.SurfacePoints);
        // The aligned model is measured once; it lies on every line, and often in the plane.
        var total = along.Length + options.RandomDirections * (across.Length - 1) + plane.Length * plane.Length - (plane.Contains(0) ? 1 : 0);
        var done = 0;
        BasinPoint? aligned = null;

        var alignment = new BasinLine(null, [.. along.Select(alpha => At(alpha, 0, null, null))]);
        List<BasinLine> random = [];
        BasinSurface? surface = null;
        for (var i = 0; i < options.RandomDirections; i++)
        {
            using var direction = new RandomDirection(weights, options.Seed, i, cancellationToken);
            random.Add(new BasinLine(i, [.. across.Select(beta => At(0, beta, direction, i))]));
            if (i == 0 && plane.Length > 0)
                surface = new BasinSurface(plane, [.. plane.SelectMany(beta => plane.Select(alpha => At(alpha, beta, direction, 0)))]);
        }
        return new BasinScan
        {
            Options = options,
            Judge = probe.Judge?.Name,
            Prompts = probe.Prompts.Count,
            Refusals = meter.Likelihood.Refusals,
            Tensors = [.. weights.Tensors.Select(t => new BasinTensor(t.Name, t.Weight.shape, t.Norm, t.WeightNorm))],
            IsWhole = weights.IsWhole,
            Alignment = alignment,
            Random = random,
            Surface = surface,
            Seconds = clock.Elapsed.TotalSeconds,
        };

        BasinPoint At(double alpha, double beta, RandomDirection? direction, int? number)
        {
            if (alpha == 0 && beta == 0 && aligned is not null) return aligned;
            cancellationToken.ThrowIfCancellationRequested();
            weights.MoveTo(alpha, beta, direction);
            var point = meter.Measure(alpha, beta, cancellationToken);
            if (alpha == 0 && beta == 0) aligned = point;
            progress?.Report(new BasinProgress(++done, total, point, number));
            return point;
        }
    }
}
