using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>
/// M = α·I + U·diag(f)·Uᵀ of a stack of L layers, filled layer by layer: the peak is the stack and one layer's vectors. Layers with fewer
/// vectors than others are filled up with zeros.
/// </summary>
/// <param name="alpha">α, 0 or 1.</param>
/// <param name="layers">L at most.</param>
/// <param name="dtype">Format of what M is multiplied with.</param>
/// <param name="storage">Format of U.</param>
/// <param name="device">Where U lies.</param>
internal sealed class SpectralMatrix(double alpha, int layers, ScalarType dtype, ScalarType storage, Device device) : IDisposable
{
    private readonly List<double[]> _weights = [];
    private readonly List<int> _anchored = [];
    private Tensor? _vectors, _inside, _correction, _mask;

    /// <summary>Where U lies.</summary>
    public Device Device => device;

    /// <summary>Adds a layer.</summary>
    /// <param name="vectors">U, (d × k), in any format.</param>
    /// <param name="weights">f, k numbers.</param>
    /// <param name="anchored">How many of the vectors, the leading ones, count as anchored.</param>
    public void Add(Tensor vectors, double[] weights, int anchored)
    {
        using var scope = NewDisposeScope();
        var width = weights.Length;
        if (_vectors is null || _vectors.shape[2] < width)
        {
            var wider = zeros(layers, vectors.shape[0], width, storage, device).DetachFromDisposeScope();
            if (_vectors is not null)
            {
                wider.narrow(2, 0, _vectors.shape[2]).copy_(_vectors);
                _vectors.Dispose();
            }
            _vectors = wider;
        }
        _vectors[_weights.Count].narrow(1, 0, width).copy_(vectors);
        _weights.Add(weights);
        _anchored.Add(anchored);
    }

    /// <summary>Ends the filling.</summary>
    public void Complete()
    {
        using var scope = NewDisposeScope();
        if (_vectors is null) return;
        if (_weights.Count < layers)
        {
            using var all = _vectors;
            _vectors = all.narrow(0, 0, _weights.Count).clone().DetachFromDisposeScope();
        }
        var width = (int)_vectors.shape[2];
        Tensor Column(Func<int, int, double> number)
        {
            var numbers = new double[_weights.Count * width];
            for (var layer = 0; layer < _weights.Count; layer++)
                for (var i = 0; i < _weights[layer].Length; i++) numbers[layer * width + i] = number(layer, i);
            return tensor(numbers, [_weights.Count, width, 1]).to(dtype).to(device).DetachFromDisposeScope();
        }
        _inside = Column((layer, i) => _weights[layer][i]);
        _correction = Column((layer, i) => Correction(alpha + _weights[layer][i]));
        _mask = Column((layer, i) => i < _anchored[layer] ? 1 : 0);
    }

    /// <summary>Y = M·X and S = Xᵀ·M·X.</summary>
    /// <param name="x">(L × d × r).</param>
    /// <remarks>
    /// With w = α + f the eigenvalues in U, and α of 0 or 1 outside it, M = α·M² + U·diag(w − α·w²)·Uᵀ: so S is a sum of products of
    /// things with themselves, in which a part that M takes away is not lost between large numbers.
    /// </remarks>
    public (Tensor Y, Tensor S) Apply(Tensor x)
    {
        if (_vectors is null) return (x, x.transpose(1, 2).bmm(x));
        var low = Low(x);
        var y = _vectors.bmm((low * _inside!).to(_vectors.dtype)).to(x.dtype);
        var s = low.transpose(1, 2).bmm(low * _correction!);
        if (alpha == 0) return (y, s);
        y.add_(x, Scalars.One);
        return (y, s.add_(y.transpose(1, 2).bmm(y), Scalars.One));
    }

    /// <summary>Xᵀ·P·X with P the projector on the anchored vectors; null where there are none.</summary>
    /// <param name="x">(L × d × r).</param>
    public Tensor? Anchored(Tensor x)
    {
        if (_vectors is null) return null;
        var low = Low(x);
        return low.transpose(1, 2).bmm(low * _mask!);
    }

    public void Dispose()
    {
        _vectors?.Dispose();
        _inside?.Dispose();
        _correction?.Dispose();
        _mask?.Dispose();
    }

    private double Correction(double eigenvalue) => eigenvalue - alpha * eigenvalue * eigenvalue;

    private Tensor Low(Tensor x) => _vectors!.transpose(1, 2).bmm(x.to(_vectors.dtype)).to(x.dtype);
}
