using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// Σ over the adapted layers of ‖(I − C)·ΔW‖²_F (or what <see cref="AlignmentProjection.Guard"/> puts in its place), ΔW = B·A, with hand-written gradients: the penalty that keeps a
/// fine-tune close to the direction in which a model was aligned. Nothing in a step makes the host wait for the device.
/// </summary>
/// <remarks>
/// Layers of one shape are computed as one batch. Memory held on the adapter's device per layer, in the adapter's format
/// unless <see cref="AlignmentPenaltyOptions.StorageDType"/> says otherwise: Reference d_out² or, when that is dearer to
/// use, d_out·d_in + d_in²; Guard the smaller of d_out² and about d_out·d_in; Subspace d_out·k; Flattened d_out·d_in; None nothing. A CPU's own kernel for
/// symmetric matrices keeps about r·(3·d_out + d_in) numbers more. <see cref="AnchoredShare"/> adds d_out·k
/// per layer from its first call (d_out·d_in with Flattened).
/// λ belongs to the optimizer step: call <see cref="AccumulateGradients(double)"/> once per step, however many micro-batches it has.
/// </remarks>
public sealed class AlignmentPenalty : IDisposable
{
    private readonly AlignmentPenaltyOptions _options;
    private readonly AlignmentDirection? _direction;
    private readonly List<(LayerStack Stack, PenaltyForm Form)> _parts = [];
    private readonly AnchoredSubspace _anchored;
    // The penalty of no layer at all.
    private readonly Tensor _empty;

    /// <param name="direction">The alignment direction; may be null only for <see cref="AlignmentProjection.None"/>. It must outlive the penalty.</param>
    /// <param name="layers">The adapted layers; their A and B tell device and format.</param>
    /// <param name="options">Null: the published code's choices.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the direction is missing.</exception>
    /// <exception cref="InvalidOperationException">Layers have no direction, D = 0, one that does not fit, or a subspace that leaves everything free; names them all.</exception>
    public AlignmentPenalty(AlignmentDirection? direction, IReadOnlyList<LoraLayer> layers, AlignmentPenaltyOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(layers);
        _options = options ?? new();
        _direction = direction;
        _options.Validate();
        if (direction is null && _options.Projection != AlignmentProjection.None)
            throw new ArgumentNullException(nameof(direction), $"The projection {_options.Projection} needs an alignment direction; only {nameof(AlignmentProjection.None)} does without.");

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var isolated = _options.Projection == AlignmentProjection.None ? layers : LayerProtection.Require(direction!, layers, _options.UnprotectedLayers);
        _anchored = new AnchoredSubspace(direction, layers, _options);
        _empty = layers.Count == 0 ? zeros([]) : zeros([], layers[0].A.dtype, layers[0].A.device);
        _empty.DetachFromDisposeScope();
        try
        {
            foreach (var stack in LayerStack.Group(isolated))
                _parts.Add((stack, PenaltyForms.Create(direction, stack, _options)));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the penalty is made of, as text: options, and the norm of D per layer. Two penalties that differ in it pull elsewhere.</summary>
    internal string Description() => JsonSerializer.Serialize(_options) + string.Join(';', _direction is null ? [] : _direction.LayerNames.Order(StringComparer.Ordinal)
        .Select(name => $"{name}={_direction.FrobeniusNorm(name).ToString("R", CultureInfo.InvariantCulture)}"));

    /// <summary>Adds weight · ∂penalty/∂A and weight · ∂penalty/∂B to the layers' gradients.</summary>
    /// <param name="weight">λ, finite and not negative.</param>
    /// <returns>The penalty before weighting: a scalar tensor in the adapter's format on its device, without a graph, never below 0.</returns>
    public Tensor AccumulateGradients(double weight)
    {
        if (!(weight >= 0 && double.IsFinite(weight)))
            throw new ArgumentOutOfRangeException(nameof(weight), weight, "The weight of the penalty must be finite and not negative.");
        return Sum(weight, null);
    }

    /// <summary>Like <see cref="AccumulateGradients(double)"/> with a λ that lies on the device, so that nothing has to read it.</summary>
    /// <param name="weight">λ, a scalar tensor, not negative, on the adapter's device.</param>
    internal Tensor AccumulateGradients(Tensor weight) => Sum(1, weight);

    /// <summary>The penalty alone.</summary>
    /// <returns>A scalar tensor in the adapter's format on its device, without a graph, never below 0.</returns>
    public Tensor Evaluate() => Sum(null, null);

    /// <summary>
    /// Share of the update that lies in the anchored subspace: Σ‖P·ΔW‖²_F / Σ‖ΔW‖²_F with ΔW = scale·B·A and P the
    /// orthogonal projector on the left singular vectors of D — for Subspace those of its C, for Reference, Guard and None
    /// the fewest that hold <see cref="AlignmentPenaltyOptions.SubspaceEnergy"/> of ‖D‖²_F. For Flattened P projects on D
    /// itself, as one vector. Layers without a direction count in neither sum. The first call factors every D.
    /// </summary>
    /// <returns>A scalar tensor in [0, 1] on the adapter's device; 0 while ΔW = 0 or when no layer has a direction.</returns>
    public Tensor AnchoredShare() => _anchored.Share();

    /// <summary>Frees what the penalty keeps on the device; layers and direction stay their owners'.</summary>
    public void Dispose()
    {
        foreach (var (_, form) in _parts) form.Dispose();
        _parts.Clear();
        _anchored.Dispose();
        _empty.Dispose();
    }

    private Tensor Sum(double? weight, Tensor? weightOnDevice)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Tensor? total = null;
        foreach (var (stack, form) in _parts)
        {
            var scale = _options.IncludeLoraScale ? stack.Scale * stack.Scale : 1;
            var (values, halfA, halfB) = form.Compute(stack.A(), stack.B(), weight is not null);
            if (weight is { } factor)
            {
                if (weightOnDevice is not null) (halfA, halfB) = (halfA! * weightOnDevice, halfB! * weightOnDevice);
                stack.AddToGradientsOfA(halfA!, 2 * factor * scale);
                stack.AddToGradientsOfB(halfB!, 2 * factor * scale);
            }
            // Rounding may take a penalty that is 0 in exact arithmetic slightly below; each layer is cut off at 0.
            var sum = values.clamp_min_(Scalars.Zero).sum();
            using Scalar squared = scale;
            if (scale != 1) sum.mul_(squared);
            total = total is null ? sum : total.add_(sum.to(total.dtype, total.device), Scalars.One);
        }
        return (total ?? _empty.clone()).MoveToOuterDisposeScope();
    }
}
