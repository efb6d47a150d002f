using System.Diagnostics;

namespace AsFT.Torch.Runtime.Cpu;

/// <summary>
/// A loop whose items the caller and threads of the pool take one by one. Unlike a team that meets at barriers it holds no
/// thread for long between runs and needs none to come: on a busy machine the caller does all of it.
/// </summary>
/// <param name="item">Called with the item's number; must not throw.</param>
internal sealed class SharedLoop(Action<int> item) : IThreadPoolWorkItem
{
    // 0.1 ms.
    private static readonly long TicksToStay = Stopwatch.Frequency / 10_000;

    // Items nobody has taken; one number, so that a helper that comes a run too late finds either nothing or a real item.
    private int _left;
    private int _unfinished;
    private int _called;

    /// <summary>Does items 0 … count − 1 and returns when all are done.</summary>
    /// <param name="count">Items.</param>
    /// <param name="threads">Threads wanted, the caller included.</param>
    public void Run(int count, int threads)
    {
        _unfinished = count;
        Volatile.Write(ref _left, count);
        for (var helpers = Math.Min(threads, count) - 1; Volatile.Read(ref _called) < helpers;)
        {
            Interlocked.Increment(ref _called);
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        Take();
        var spin = new SpinWait();
        while (Volatile.Read(ref _unfinished) > 0) spin.SpinOnce(sleep1Threshold: -1);
    }

    void IThreadPoolWorkItem.Execute()
    {
        Take();
        // The next run often follows at once, and waking a thread takes longer than many a run.
        for (var until = Stopwatch.GetTimestamp() + TicksToStay; Stopwatch.GetTimestamp() < until; Thread.SpinWait(8)) Take();
        Interlocked.Decrement(ref _called);
        // A run that still counted on this thread has called no other.
        Take();
    }

    private void Take()
    {
        while (Volatile.Read(ref _left) > 0)
        {
            var taken = Interlocked.Decrement(ref _left);
            if (taken < 0) return;
            item(taken);
            Interlocked.Decrement(ref _unfinished);
        }
    }
}
