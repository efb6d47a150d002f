using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Lab.Basin;

/// <summary>
/// R, a random direction across D: for every moved tensor Gaussian numbers, made orthogonal to its D and scaled to ‖D‖_F. So R is
/// orthogonal to D tensor by tensor and of equal length in each, embeddings and norms included; a tensor of a single number, which has
/// nothing orthogonal, stays. Where D of an embedding lies in the few rows of tokens that alignment practised, R spreads over all rows.
/// </summary>
internal sealed class RandomDirection : IDisposable
{
    private readonly MovedWeights _weights;
    private readonly ulong _seed;
    private readonly Tensor[] _held = [];

    /// <param name="weights">The moved weights.</param>
    /// <param name="seed">Seed of all directions.</param>
    /// <param name="index">Number of this one.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    public RandomDirection(MovedWeights weights, long seed, int index, CancellationToken cancellationToken)
    {
        (_weights, _seed) = (weights, unchecked((ulong)seed * 0x9E3779B97F4A7C15 + (ulong)index));
        if (weights.Storage == BasinStorage.Streamed) return;
        _held = new Tensor[weights.Tensors.Count];
        try
        {
            for (var i = 0; i < _held.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                _held[i] = Draw(i).to(weights.StorageDevice).DetachFromDisposeScope();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>R of a moved tensor in the compute format, on the model's device.</summary>
    public Tensor Of(int index) => _held.Length == 0 ? Draw(index) : _held[index].to(_weights.Device);

    public void Dispose()
    {
        foreach (var tensor in _held) tensor?.Dispose();
    }

    private Tensor Draw(int index)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (name, norm) = (_weights.Tensors[index].Name, _weights.Tensors[index].Norm);
        var direction = _weights.Direction(index);
        if (direction.numel() == 1) return zeros_like(direction).MoveToOuterDisposeScope();
        // On the CPU, so that every device gets the same numbers.
        using var generator = new Generator(Mix(_seed, name));
        var random = randn(direction.shape, _weights.ComputeType, generator: generator).to(_weights.Device);
        // The second pass takes away what rounding left of the first.
        for (var pass = 0; pass < 2; pass++)
        {
            using Scalar part = -MovedWeights.Inner(random, direction) / (norm * norm);
            random.add_(direction, part);
        }
        using Scalar scale = norm / MovedWeights.Norm(random);
        return random.mul_(scale).MoveToOuterDisposeScope();
    }

    // FNV-1a over the name, started from the seed: a tensor's numbers do not depend on which others are moved.
    private static ulong Mix(ulong seed, string name)
    {
        var hash = 14695981039346656037UL ^ seed;
        foreach (var b in Encoding.UTF8.GetBytes(name)) hash = unchecked((hash ^ b) * 1099511628211UL);
        return hash;
    }
}
