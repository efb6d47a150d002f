namespace AsFT.Torch.Generation.Cpu;

/// <summary>
/// Threads that run one piece of work together, over and over, and meet at barriers within it. Meeting costs well below a
/// microsecond, where handing tasks to a pool costs several, and a decoding step has five meetings a layer.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    private readonly Action<int> _work;
    private readonly Thread[] _others;
    private int _arrived;
    private int _phase;
    private bool _isOver;

    /// <summary>Starts the threads, which wait for <see cref="Run"/>.</summary>
    /// <param name="size">Members, the caller of <see cref="Run"/> included; at least 1.</param>
    /// <param name="work">Called with the member's number; must end with <see cref="Meet"/>, and not throw.</param>
    public ThreadTeam(int size, Action<int> work)
    {
        (Size, _work) = (size, work);
        _others = [.. Enumerable.Range(1, size - 1).Select(member => new Thread(() => Serve(member)) { IsBackground = true, Name = "AsFT decoding" })];
        foreach (var thread in _others) thread.Start();
    }

    public int Size { get; }

    /// <summary>Has all members do the work once.</summary>
    public void Run()
    {
        Meet();
        _work(0);
    }

    /// <summary>Waits until every member has come here; what each wrote before is seen by all behind it.</summary>
    public void Meet()
    {
        if (Size == 1) return;
        var phase = Volatile.Read(ref _phase);
        if (Interlocked.Increment(ref _arrived) == Size)
        {
            _arrived = 0;
            Volatile.Write(ref _phase, phase + 1);
            return;
        }
        // Yields soon, so that a machine with other work on it goes on, but never sleeps: that would be a millisecond.
        var spin = new SpinWait();
        while (Volatile.Read(ref _phase) == phase) spin.SpinOnce(sleep1Threshold: -1);
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _isOver, true);
        Meet();
        foreach (var thread in _others) thread.Join();
    }

    private void Serve(int member)
    {
        while (true)
        {
            Meet();
            if (Volatile.Read(ref _isOver)) return;
            _work(member);
        }
    }
}
