using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>The weights of a linear layer, in whatever format they are held. Layers, the head's gradient, decoding and merging see them through this alone.</summary>
internal abstract class WeightMatrix : IDisposable
{
    private protected WeightMatrix(long rows, long columns, ScalarType dtype, Device device) => (Rows, Columns, DType, Device) = (rows, columns, dtype, device);

    /// <summary>d_out.</summary>
    public long Rows { get; }

    /// <summary>d_in.</summary>
    public long Columns { get; }

    /// <summary>The format that is computed in.</summary>
    public ScalarType DType { get; }

    /// <summary>Where the weights lie.</summary>
    public Device Device { get; }

    /// <summary>How they are held.</summary>
    public abstract WeightFormat Format { get; }

    /// <summary>Bytes that they take, scales included.</summary>
    public abstract long ByteCount { get; }

    /// <summary>x·Wᵀ + b, with a gradient to x; what is not dense is made so again for the gradient, and none of it is kept until then.</summary>
    /// <param name="input">x, (…, d_in), in the format that is computed in.</param>
    /// <param name="bias">b, (d_out), or null.</param>
    /// <returns>(…, d_out).</returns>
    public abstract Tensor Multiply(Tensor input, Tensor? bias = null);

    /// <summary>g·W, the gradient to x of <see cref="Multiply"/>, without a graph of its own.</summary>
    /// <param name="gradient">(…, d_out).</param>
    /// <returns>(…, d_in).</returns>
    internal abstract Tensor MultiplyBack(Tensor gradient);

    /// <summary>All of W as numbers, a new tensor.</summary>
    /// <param name="dtype">Their format; null: <see cref="DType"/>.</param>
    /// <returns>(d_out × d_in).</returns>
    public Tensor Dense(ScalarType? dtype = null) => DenseRows(0, Rows, dtype);

    /// <summary>Some rows of W as numbers, a new tensor.</summary>
    /// <param name="first">First row.</param>
    /// <param name="count">How many.</param>
    /// <param name="dtype">Their format; null: <see cref="DType"/>.</param>
    /// <returns>(count × d_in).</returns>
    public abstract Tensor DenseRows(long first, long count, ScalarType? dtype = null);

    /// <summary>The weights to write to and to train.</summary>
    /// <exception cref="InvalidOperationException">They are quantised, and so can only be read.</exception>
    public virtual Parameter Parameter =>
        throw new InvalidOperationException($"The weights are held as {Format}, which can only be read; what changes weights needs a model that is loaded with {nameof(WeightFormat)}.{nameof(WeightFormat.Dense)} from a checkpoint that is not quantised.");

    /// <inheritdoc/>
    public abstract void Dispose();
}
