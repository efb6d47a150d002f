using TorchSharp.Modules;

namespace AsFT.Torch.Models;

/// <summary>
/// A part of a model: its weights under their names in the checkpoint, and the parts below it. No <c>nn.Module</c>, of which TorchSharp
/// leaks 64 bytes each (a <c>shared_ptr</c> and its counter that THSNN_custom_module makes and nothing frees): a model of hundreds of
/// them would grow the process by some 20 kB with every load. Only the models themselves are modules.
/// </summary>
internal abstract class ModelPart : IDisposable
{
    private readonly List<(string Name, Parameter Weight)> _weights = [];
    private readonly List<WeightMatrix> _matrices = [];
    private readonly List<ModelPart> _parts = [];

    private protected ModelPart()
    {
    }

    /// <summary>Weights of the part and of those below it, by their full names, in the order in which they were made; quantised ones are not among them.</summary>
    internal IEnumerable<(string Name, Parameter Weight)> Weights() => _weights.Concat(_parts.SelectMany(part => part.Weights()));

    /// <summary>Each linear layer once, in the model's order.</summary>
    internal IEnumerable<LinearLayer> LinearLayers() => this is LinearLayer layer ? [layer] : _parts.SelectMany(part => part.LinearLayers());

    /// <summary>Frees the weights, and what else the part and those below it hold.</summary>
    public void Dispose()
    {
        Free();
        foreach (var part in _parts) part.Dispose();
        foreach (var matrix in _matrices) matrix.Dispose();
        foreach (var (_, weight) in _weights) weight.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the part holds beside weights.</summary>
    private protected virtual void Free()
    {
    }

    /// <summary>Makes a weight one of the part's.</summary>
    private protected Parameter Own(WeightSource weights, string name, params long[] shape)
    {
        var weight = weights.Parameter(name, shape);
        _weights.Add((name, weight));
        return weight;
    }

    /// <summary>Makes a matrix one of the part's.</summary>
    private protected WeightMatrix OwnMatrix(WeightSource weights, string name, long rows, long columns)
    {
        var matrix = weights.Matrix(name, rows, columns);
        _matrices.Add(matrix);
        if (matrix.Format == WeightFormat.Dense) _weights.Add((name, matrix.Parameter));
        return matrix;
    }

    /// <summary>Puts a part below this one.</summary>
    private protected T Own<T>(T part) where T : ModelPart
    {
        _parts.Add(part);
        return part;
    }
}
