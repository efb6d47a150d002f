using TorchSharp;

namespace AsFT.Torch.Runtime;

/// <summary>
/// Numbers for tensor operations that stay alive. A plain number handed to a tensor operation becomes a <see cref="Scalar"/>
/// that nothing refers to any more once its handle is read, and TorchSharp does not keep it alive during the native call: when
/// a collection falls into the call, the finalizer frees the number while libtorch reads it, which ends in an exception or in
/// another number. (37 exceptions in 637,000 calls while other threads force collections; none with scalars that are held.) So all
/// code takes scalars from here or holds its own (<c>using Scalar rate = …</c>). Hidden ones count: <c>a + b</c>, <c>add(b)</c>, and
/// <c>add_(b)</c> even of a scalar, make an α = 1 within TorchSharp, <c>square()</c> an exponent, <c>arange(n)</c> a start and a step;
/// the overloads that take them have none. A test reads the compiled code for both kinds.
/// </summary>
internal static class Scalars
{
    /// <summary>0.</summary>
    public static Scalar Zero { get; } = 0;

    /// <summary>1.</summary>
    public static Scalar One { get; } = 1;

    /// <summary>−1.</summary>
    public static Scalar MinusOne { get; } = -1;

    /// <summary>2.</summary>
    public static Scalar Two { get; } = 2;

    /// <summary>−∞, what a mask adds to the scores it hides.</summary>
    public static Scalar NegativeInfinity { get; } = double.NegativeInfinity;
}
