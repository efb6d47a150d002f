using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Runtime;

/// <summary>
/// How many threads libtorch computes with. The matrices of a small model gain nothing from a second one, and on a busy
/// machine threads that wait for each other after every product cost many times the work.
/// </summary>
internal static class ComputeThreads
{
    /// <summary>Weights below this many bytes are small.</summary>
    public const long SmallModelBytes = 64_000_000;

    // What OpenMP, and so libtorch, reads: who sets it has chosen.
    private const string ChosenVariable = "OMP_NUM_THREADS";

    /// <summary>Threads for one run.</summary>
    /// <param name="weightBytes">Bytes of the model's weights.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="runs">Runs side by side, which would only wait for each other's threads.</param>
    /// <param name="available">Threads that libtorch would take by itself.</param>
    public static int Choose(long weightBytes, DeviceType device, int runs, int available) =>
        runs > 1 || device == DeviceType.CPU && weightBytes < SmallModelBytes ? 1 : available;

    /// <summary>Runs side by side where nobody chose: two of a small model on a CPU of several cores, else one.</summary>
    /// <param name="weightBytes">Bytes of the model's weights.</param>
    /// <param name="device">Where it computes. On others than the CPU, dropout draws from generators that all runs of the process share.</param>
    /// <param name="cores">Cores of the machine.</param>
    /// <param name="chosen">What was chosen; null: nothing.</param>
    public static int Runs(long weightBytes, DeviceType device, int cores, int? chosen = null) =>
        device != DeviceType.CPU ? 1 : chosen ?? (weightBytes < SmallModelBytes && cores > 1 ? 2 : 1);

    /// <summary>Does items 0 … count − 1 on as many threads as libtorch computes with.</summary>
    /// <param name="count">Items, of about equal size.</param>
    /// <param name="item">Called with the item's number, in any order.</param>
    internal static void ForEach(long count, Action<long> item)
    {
        var parts = (int)Math.Min(count, get_num_threads());
        void Part(int part)
        {
            for (var i = count * part / parts; i < count * (part + 1) / parts; i++) item(i);
        }
        if (parts > 1) Parallel.For(0, parts, Part);
        else if (parts == 1) Part(0);
    }

    /// <summary>Lets libtorch compute with the threads that fit a model, until the result is disposed; the number is the process's. Nothing changes where the environment variable <c>OMP_NUM_THREADS</c> is set.</summary>
    /// <param name="weightBytes">Bytes of the model's weights.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="runs">Runs side by side.</param>
    internal static IDisposable Use(long weightBytes, DeviceType device, int runs = 1)
    {
        var before = get_num_threads();
        var threads = Environment.GetEnvironmentVariable(ChosenVariable) is { Length: > 0 } ? before : Choose(weightBytes, device, runs, before);
        if (threads != before) set_num_threads(threads);
        return new Restored(threads == before ? null : before);
    }

    private sealed class Restored(int? before) : IDisposable
    {
        public void Dispose()
        {
            if (before is { } threads) set_num_threads(threads);
        }
    }
}
