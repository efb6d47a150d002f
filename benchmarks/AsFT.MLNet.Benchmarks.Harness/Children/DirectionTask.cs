using System.Diagnostics;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What building an alignment direction took.</summary>
/// <param name="ReadSeconds">Reading both checkpoints' files from start to end, per round.</param>
/// <param name="BuildSeconds">Building the direction, per round.</param>
/// <param name="Bytes">Bytes of both checkpoints.</param>
/// <param name="ResidentBefore">Resident memory before the first build.</param>
/// <param name="Peak">Peak of resident memory.</param>
/// <param name="IsCold">Whether files came from the disk each time.</param>
internal sealed record DirectionFigures(double[] ReadSeconds, double[] BuildSeconds, long Bytes, long ResidentBefore, long Peak, bool IsCold);

/// <summary>Builds the direction of two checkpoints and reads their files, in turns.</summary>
internal static class DirectionTask
{
    private const int Rounds = 3;

    public static DirectionFigures Run(string alignedFolder, string baseFolder)
    {
        using var aligned = ModelCheckpoint.Open(alignedFolder);
        using var baseline = ModelCheckpoint.Open(baseFolder);
        string[] files = [.. aligned.Files, .. baseline.Files];
        string[] layers = [.. aligned.Entries.Keys.Select(name => name[..^".weight".Length])];
        var buffer = new byte[16 << 20];
        var (reads, builds) = (new double[Rounds], new double[Rounds]);
        var (isCold, before, peak) = (true, ProcessMemory.Resident, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            isCold &= PageCache.TryDrop(files);
            reads[round] = Time(() => PageCache.ReadAll(files, buffer));
            isCold &= PageCache.TryDrop(files);
            builds[round] = Time(() => AlignmentDirection.Build(aligned, baseline, layers).Dispose());
            peak = Math.Max(peak, ProcessMemory.Peak);
        }
        return new(reads, builds, files.Sum(file => new FileInfo(file).Length), before, peak, isCold);
    }

    internal static double Time(Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
