using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Gives a model's parts the weights they are built from, so that these exist once and never in a random first version.</summary>
/// <param name="read">Gives a tensor by its name in the checkpoint and the shape that is needed.</param>
internal class WeightSource(Func<string, long[], Tensor> read)
{
    /// <summary>A frozen parameter; it lives as long as the part, whatever dispose scope is open.</summary>
    public Parameter Parameter(string name, params long[] shape)
    {
        var parameter = new Parameter(read(name, shape).DetachFromDisposeScope(), requires_grad: false);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    /// <summary>The weights of a linear layer.</summary>
    public virtual WeightMatrix Matrix(string name, long rows, long columns) => new DenseMatrix(Parameter(name, rows, columns));

    /// <summary>Weights that have a checkpoint's names and shapes and one number each, so that they take no memory.</summary>
    public static WeightSource Outline(ModelCheckpoint checkpoint, ComputePlacement placement) => new((name, shape) =>
    {
        CheckpointWeights.RequireShape(checkpoint, name, shape);
        using var scope = NewDisposeScope();
        return zeros(1, placement.DType, placement.Device).expand(shape).MoveToOuterDisposeScope();
    });

    /// <summary>Fresh weights as Llama models are initialised: matrices N(0, 0.02²), norms the identity, biases 0.</summary>
    public static WeightSource Random(ComputePlacement placement, long seed, NormKind norm = NormKind.Weight, double standardDeviation = 0.02)
    {
        // One CPU generator, so that the same seed gives the same model on every device.
        var generator = new Generator((ulong)seed);
        return new((name, shape) =>
        {
            if (shape.Length == 1)
                return name.EndsWith(".bias", StringComparison.Ordinal) || norm == NormKind.OnePlusWeight
                    ? zeros(shape, placement.DType, placement.Device)
                    : ones(shape, placement.DType, placement.Device);
            using var draw = empty(shape, ScalarType.Float32);
            draw.normal_(0, standardDeviation, generator);
            // `to` hands back the same tensor when nothing changes; the draw must not be disposed with it.
            return draw.to(placement.DType, placement.Device, copy: true);
        });
    }
}
