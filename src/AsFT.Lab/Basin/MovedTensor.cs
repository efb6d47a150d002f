using static TorchSharp.torch;

namespace AsFT.Lab.Basin;

/// <summary>One weight that a scan moves.</summary>
/// <param name="Name">Name in the checkpoint.</param>
/// <param name="Weight">The model's own tensor, written in place.</param>
/// <param name="Aligned">A copy of its aligned values, in the model's format.</param>
/// <param name="Base">Its base values in the model's format; null when they are read from disk each time.</param>
/// <param name="Norm">‖D‖_F, above 0.</param>
/// <param name="WeightNorm">‖W_aligned‖_F.</param>
internal sealed record MovedTensor(string Name, Tensor Weight, Tensor Aligned, Tensor? Base, double Norm, double WeightNorm) : IDisposable
{
    public void Dispose()
    {
        Aligned.Dispose();
        Base?.Dispose();
    }
}
