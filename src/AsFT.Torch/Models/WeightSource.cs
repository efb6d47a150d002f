using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Gives a module the tensor it is built from, so that weights exist once and never in a random first version.</summary>
/// <param name="name">Name in the checkpoint.</param>
/// <param name="shape">The shape the module needs.</param>
internal delegate Tensor WeightSource(string name, long[] shape);

internal static class WeightSources
{
    /// <summary>A frozen parameter of a module; it lives as long as the module, whatever dispose scope is open.</summary>
    public static Parameter Parameter(this WeightSource weights, string name, params long[] shape)
    {
        var parameter = new Parameter(weights(name, shape).DetachFromDisposeScope(), requires_grad: false);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    /// <summary>Weights read from a checkpoint.</summary>
    public static WeightSource FromCheckpoint(ModelCheckpoint checkpoint, ComputePlacement placement) => (name, shape) =>
    {
        RequireShape(checkpoint, name, shape);
        return checkpoint.Read(name, placement.DType, placement.Device);
    };

    /// <summary>Weights that have a checkpoint's names and shapes and one number each, so that they take no memory.</summary>
    public static WeightSource Outline(ModelCheckpoint checkpoint, ComputePlacement placement) => (name, shape) =>
    {
        RequireShape(checkpoint, name, shape);
        using var scope = NewDisposeScope();
        return zeros(1, placement.DType, placement.Device).expand(shape).MoveToOuterDisposeScope();
    };

    private static void RequireShape(ModelCheckpoint checkpoint, string name, long[] shape)
    {
        if (!checkpoint.Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"'{checkpoint.Folder}' has no tensor '{name}', which its config.json calls for.");
        if (!entry.Shape.SequenceEqual(shape))
            throw new InvalidDataException($"Tensor '{name}' in '{checkpoint.Folder}' has shape ({string.Join(", ", entry.Shape)}); its config.json calls for ({string.Join(", ", shape)}).");
    }

    /// <summary>Fresh weights as Llama models are initialised: matrices N(0, 0.02²), norms the identity, biases 0.</summary>
    public static WeightSource Random(ComputePlacement placement, long seed, NormKind norm = NormKind.Weight, double standardDeviation = 0.02)
    {
        // One CPU generator, so that the same seed gives the same model on every device.
        var generator = new Generator((ulong)seed);
        return (name, shape) =>
        {
            if (shape.Length == 1)
                return name.EndsWith(".bias", StringComparison.Ordinal) || norm == NormKind.OnePlusWeight
                    ? zeros(shape, placement.DType, placement.Device)
                    : ones(shape, placement.DType, placement.Device);
            using var draw = empty(shape, ScalarType.Float32);
            draw.normal_(0, standardDeviation, generator);
            // `to` hands back the same tensor when nothing changes; the draw must not be disposed with it.
            return draw.to(placement.DType, placement.Device, copy: true);
        };
    }
}
