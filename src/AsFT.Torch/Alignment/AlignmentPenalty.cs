using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// Σ over the adapted layers of ‖(I − C)·ΔW‖²_F (or what <see cref="AlignmentProjection.Guard"/> puts in its place), ΔW = B·A, with hand-written gradients: the penalty that keeps a
/// fine-tune close to the direction in which a model was aligned. Nothing in a step makes the host wait for the device.
/// </summary>
/// <remarks>
/// Layers of one shape are computed as one batch. Kept on the adapter's device per layer: d_out·k numbers, the k leading left singular vectors of D
/// (<see cref="AlignmentPenaltyOptions.SpectrumRank"/>, <see cref="AlignmentPenaltyOptions.StorageDType"/>); Flattened d_out·d_in; None nothing.
/// D itself is read layer by layer while the penalty is made, and let go. λ belongs to the optimizer step: call
/// <see cref="AccumulateGradients(double)"/> once per step, however many micro-batches it has.
/// </remarks>
public sealed partial class AlignmentPenalty : IDisposable
{
    private readonly AlignmentPenaltyOptions _options;
    private readonly List<Part> _parts = [];
    // The penalty of no layer at all.
    private readonly Tensor _empty;

    /// <summary>Makes the penalty: reads each layer's D, or its spectrum, and keeps what a step needs of it.</summary>
    /// <param name="direction">The alignment direction; may be null only for <see cref="AlignmentProjection.None"/>, which does not look at it. It is not needed any more afterwards.</param>
    /// <param name="layers">The adapted layers; their A and B tell device and format.</param>
    /// <param name="options">Null: the published code's choices.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="cancellationToken">Checked before each layer.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the direction is missing.</exception>
    /// <exception cref="InvalidDataException">The direction's file is damaged.</exception>
    /// <exception cref="InvalidOperationException">Layers have no direction, D = 0, one that does not fit (names them all), or fewer singular vectors than are asked for, or a subspace that leaves everything free.</exception>
    public AlignmentPenalty(AlignmentDirection? direction, IReadOnlyList<LoraLayer> layers, AlignmentPenaltyOptions? options = null,
        IProgress<AlignmentDirectionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(layers);
        _options = options ?? new();
        _options.Validate();
        if (direction is null && _options.Projection != AlignmentProjection.None)
            throw new ArgumentNullException(nameof(direction), $"The projection {_options.Projection} needs an alignment direction; only {nameof(AlignmentProjection.None)} does without.");

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        _empty = layers.Count == 0 ? zeros([]) : zeros([], layers[0].A.dtype, layers[0].A.device);
        _empty.DetachFromDisposeScope();
        try
        {
            if (_options.Projection == AlignmentProjection.None)
            {
                var isotropic = new IsotropicPenalty();
                foreach (var stack in LoraLayer.Stacks(layers)) _parts.Add(new(stack, new SpectralForm(NewMatrix(stack, isotropic.Alpha))));
            }
            else
            {
                Prepare(direction!, layers, progress, cancellationToken);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Adds weight · ∂penalty/∂A and weight · ∂penalty/∂B to the layers' gradients.</summary>
    /// <param name="weight">λ, finite and not negative.</param>
    /// <returns>The penalty before weighting: a scalar tensor in the adapter's format on its device, without a graph, never below 0.</returns>
    public Tensor AccumulateGradients(double weight) => AccumulateGradients(weight, null);

    /// <summary>Like <see cref="AccumulateGradients(double)"/> for parameters that may lie side by side.</summary>
    /// <param name="weight">λ, finite and not negative.</param>
    /// <param name="sideBySide">Values and gradients of parameters of one shape as one tensor (L × shape); null: each lies for itself.</param>
    internal Tensor AccumulateGradients(double weight, Func<IReadOnlyList<Parameter>, (Tensor Values, Tensor Gradients)?>? sideBySide)
    {
        if (!(weight >= 0 && double.IsFinite(weight)))
            throw new ArgumentOutOfRangeException(nameof(weight), weight, "The weight of the penalty must be finite and not negative.");
        return Sum(weight, null, sideBySide);
    }

    /// <summary>Like <see cref="AccumulateGradients(double)"/> with a λ that lies on the device, so that nothing has to read it.</summary>
    /// <param name="weight">λ, a scalar tensor, not negative, on the adapter's device.</param>
    /// <param name="sideBySide">Values and gradients of parameters of one shape as one tensor (L × shape); null: each lies for itself.</param>
    internal Tensor AccumulateGradients(Tensor weight, Func<IReadOnlyList<Parameter>, (Tensor Values, Tensor Gradients)?>? sideBySide = null) => Sum(1, weight, sideBySide);

    /// <summary>The penalty alone.</summary>
    /// <returns>A scalar tensor in the adapter's format on its device, without a graph, never below 0.</returns>
    public Tensor Evaluate() => Sum(null, null, null);

    /// <summary>
    /// Share of the update that lies in the anchored subspace: Σ‖P·ΔW‖²_F / Σ‖ΔW‖²_F with ΔW = scale·B·A and P the
    /// orthogonal projector on the left singular vectors of D — for Subspace those of its C, for Reference and Guard the fewest that hold
    /// <see cref="AlignmentPenaltyOptions.SubspaceEnergy"/> of ‖D‖²_F, or all that are kept where those hold less (<see cref="AnchoredEnergy"/> tells).
    /// For Flattened P projects on D itself, as one vector; None anchors nothing. Layers that go unprotected count in neither sum.
    /// </summary>
    /// <returns>A scalar tensor in [0, 1] on the adapter's device; 0 while ΔW = 0 or when nothing is anchored.</returns>
    public Tensor AnchoredShare()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor? inside = null, all = null;
        foreach (var part in _parts)
        {
            var (a, b) = (part.A(), part.B());
            if (part.Form.Anchored(a, b) is not { } anchored) continue;
            using Scalar squared = part.Scale * part.Scale;
            var within = anchored.sum().mul_(squared);
            var whole = (b.transpose(1, 2).bmm(b) * a.bmm(a.transpose(1, 2))).sum().mul_(squared);
            inside = inside is null ? within : inside.add_(within.to(inside.dtype, inside.device), Scalars.One);
            all = all is null ? whole : all.add_(whole.to(all.dtype, all.device), Scalars.One);
        }
        if (all is null) return _empty.clone().MoveToOuterDisposeScope();
        // A host-side test for ΔW = 0 would make the host wait.
        return where(all.gt(Scalars.Zero), (inside! / all).clamp_(Scalars.Zero, Scalars.One), zeros_like(all)).MoveToOuterDisposeScope();
    }

    /// <summary>Frees what the penalty keeps on the device; layers and direction stay their owners'.</summary>
    public void Dispose()
    {
        foreach (var part in _parts) part.Form.Dispose();
        _parts.Clear();
        _empty.Dispose();
    }

    /// <summary>What the penalty is made of, as text: options, and the norm of D per layer. Two penalties that differ in it pull elsewhere.</summary>
    internal string Description() => JsonSerializer.Serialize(_options) + string.Join(';', _norms.OrderBy(norm => norm.Key, StringComparer.Ordinal)
        .Select(norm => $"{norm.Key}={norm.Value.ToString("R", CultureInfo.InvariantCulture)}"));

    private Tensor Sum(double? weight, Tensor? weightOnDevice, Func<IReadOnlyList<Parameter>, (Tensor Values, Tensor Gradients)?>? sideBySide)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor? total = null;
        foreach (var part in _parts)
        {
            var scale = _options.IncludeLoraScale ? part.Scale * part.Scale : 1;
            var (a, b) = (sideBySide?.Invoke(part.AllA), sideBySide?.Invoke(part.AllB));
            var (values, halfA, halfB) = part.Form.Compute(a?.Values ?? part.A(), b?.Values ?? part.B(), weight is not null);
            if (weight is { } factor)
            {
                if (weightOnDevice is not null) (halfA, halfB) = (halfA! * weightOnDevice, halfB! * weightOnDevice);
                Add(part.AllA, a?.Gradients, halfA!, 2 * factor * scale);
                Add(part.AllB, b?.Gradients, halfB!, 2 * factor * scale);
            }
            // Rounding may take a penalty that is 0 in exact arithmetic slightly below; each layer is cut off at 0.
            var sum = values.clamp_min_(Scalars.Zero).sum();
            using Scalar squared = scale;
            if (scale != 1) sum.mul_(squared);
            total = total is null ? sum : total.add_(sum.to(total.dtype, total.device), Scalars.One);
        }
        return (total ?? _empty.clone()).MoveToOuterDisposeScope();
    }

    // In place: a trainer may have laid gradients side by side in one buffer.
    private static void Add(Parameter[] parameters, Tensor? together, Tensor gradient, double factor)
    {
        using Scalar held = factor;
        if (together is not null)
        {
            together.add_(gradient, alpha: held);
            return;
        }
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].grad is { } sum) sum.add_(gradient.select(0, i), alpha: held);
            // libtorch keeps its own reference; the wrapper goes with the caller's scope.
            else parameters[i].grad = gradient.select(0, i) * held;
        }
    }

    /// <summary>Layers of one shape, format, device and scale, and their penalty.</summary>
    private sealed record Part(IReadOnlyList<LoraLayer> Layers, PenaltyForm Form)
    {
        public Parameter[] AllA { get; } = [.. Layers.Select(layer => layer.A)];

        public Parameter[] AllB { get; } = [.. Layers.Select(layer => layer.B)];

        public double Scale => Layers[0].Scale;

        // Copies: A and B are small beside what the forms read, and one batch of L layers beats L rounds of small launches.

        /// <summary>All A, (L × r × d_in).</summary>
        public Tensor A() => AllA.Length == 1 ? AllA[0].unsqueeze(0) : stack(AllA);

        /// <summary>All B, (L × d_out × r).</summary>
        public Tensor B() => AllB.Length == 1 ? AllB[0].unsqueeze(0) : stack(AllB);
    }
}
