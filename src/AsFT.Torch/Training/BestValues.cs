using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>What was trained, as it was at the best validation loss so far.</summary>
internal sealed class BestValues(FlatParameters parameters) : IDisposable
{
    public Tensor? Values { get; private set; }

    public void Keep() => Take(parameters.Values.clone().DetachFromDisposeScope());

    public void Take(Tensor? values)
    {
        Values?.Dispose();
        Values = values;
    }

    public bool Restore()
    {
        if (Values is null) return false;
        parameters.Values.copy_(Values);
        return true;
    }

    public void Dispose() => Values?.Dispose();
}
