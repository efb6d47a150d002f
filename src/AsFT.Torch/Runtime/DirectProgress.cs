namespace AsFT.Torch.Runtime;

/// <summary>Reports in their order, on the thread that makes them; <see cref="Progress{T}"/> would post them to another.</summary>
internal sealed class DirectProgress<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}
