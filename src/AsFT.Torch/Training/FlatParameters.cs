using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>
/// Many parameters laid side by side in one buffer, and their gradients in another. The parameters stay what they were
/// and become views, so that clearing, clipping and updating all of them is one call each instead of one per tensor.
/// </summary>
internal sealed class FlatParameters : IDisposable
{
    private readonly Parameter[] _parameters;
    private readonly Dictionary<Parameter, (long Offset, long[] Shape)> _places = new(ReferenceEqualityComparer.Instance);

    public FlatParameters(IEnumerable<Parameter> parameters)
    {
        _parameters = [.. parameters];
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (dtype, device) = (_parameters[0].dtype, _parameters[0].device);
        var size = _parameters.Sum(p => p.numel());
        Values = empty(size, dtype, device).DetachFromDisposeScope();
        Gradients = zeros(size, dtype, device).DetachFromDisposeScope();
        long offset = 0;
        foreach (var parameter in _parameters)
        {
            var view = Values.narrow(0, offset, parameter.numel()).view(parameter.shape);
            view.copy_(parameter);
            parameter.set_(view);
            _places.Add(parameter, (offset, parameter.shape));
            parameter.grad = Gradients.narrow(0, offset, parameter.numel()).view(parameter.shape);
            offset += parameter.numel();
        }
    }

    /// <summary>All values, (n).</summary>
    public Tensor Values { get; }

    /// <summary>All gradients, (n).</summary>
    public Tensor Gradients { get; }

    /// <summary>Parameters of one shape, and their gradients, as one tensor each: L × that shape; views. Null where they do not lie side by side in this order.</summary>
    /// <param name="parameters">L parameters, at least one.</param>
    public (Tensor Values, Tensor Gradients)? SideBySide(IReadOnlyList<Parameter> parameters)
    {
        if (!_places.TryGetValue(parameters[0], out var first)) return null;
        var size = first.Shape.Aggregate(1L, (product, side) => product * side);
        for (var i = 1; i < parameters.Count; i++)
            if (!_places.TryGetValue(parameters[i], out var place) || place.Offset != first.Offset + i * size || !place.Shape.AsSpan().SequenceEqual(first.Shape)) return null;
        Tensor Stack(Tensor flat) => flat.narrow(0, first.Offset, parameters.Count * size).view([parameters.Count, .. first.Shape]);
        return (Stack(Values), Stack(Gradients));
    }

    /// <summary>Frees the gradients; the values live on in the parameters.</summary>
    public void Dispose()
    {
        foreach (var parameter in _parameters) parameter.grad = null;
        Gradients.Dispose();
        Values.Dispose();
    }
}
