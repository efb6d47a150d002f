namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>A folder for files that a benchmark writes, reads and deletes again.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public ScratchFolder(BenchSettings settings)
    {
        Path = System.IO.Path.Combine(settings.ScratchFolder ?? System.IO.Path.GetTempPath(), $"asft-bench-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string Sub(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
