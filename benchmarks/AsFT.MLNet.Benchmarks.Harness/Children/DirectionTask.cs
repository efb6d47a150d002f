using System.Diagnostics;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What building an alignment direction took.</summary>
/// <param name="ReadSeconds">Reading both checkpoints' files from start to end, per round.</param>
/// <param name="WriteSeconds">Writing as many bytes as the file of bfloat16 has, to the disk, per round.</param>
/// <param name="PassSeconds">Making the direction block by block and keeping nothing, per round.</param>
/// <param name="BuildSeconds">Building the direction into a file of bfloat16, per round; the file is on the disk at the end.</param>
/// <param name="FullSeconds">The same in float32, which writes as many bytes as are read.</param>
/// <param name="Bytes">Bytes of both checkpoints.</param>
/// <param name="ResidentBefore">Resident memory before the first build.</param>
/// <param name="Peak">Peak of resident memory.</param>
/// <param name="IsCold">Whether files came from the disk each time.</param>
internal sealed record DirectionFigures(double[] ReadSeconds, double[] WriteSeconds, double[] PassSeconds, double[] BuildSeconds, double[] FullSeconds, long Bytes, long ResidentBefore, long Peak, bool IsCold);

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
        var (reads, writes, passes, halves, full) = (new double[Rounds], new double[Rounds], new double[Rounds], new double[Rounds], new double[Rounds]);
        var output = Path.Combine(alignedFolder, "direction.out");
        var (isCold, before, peak) = (true, ProcessMemory.Resident, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            isCold &= PageCache.TryDrop(files);
            reads[round] = Time(() => PageCache.ReadAll(files, buffer));
            // Pages that the files lately took are the cheapest to write on.
            isCold &= PageCache.TryDrop(files);
            writes[round] = Time(() => Write(output, buffer, files.Sum(file => new FileInfo(file).Length) / 2));
            Delete(output);
            isCold &= PageCache.TryDrop(files);
            passes[round] = Time(() => Array.ForEach(layers, layer => DirectionReader.ForEachBlock(aligned, baseline, layer, (_, _) => { })));
            halves[round] = Build(AlignmentDirectionEncoding.BFloat16);
            full[round] = Build(AlignmentDirectionEncoding.Full);
            peak = Math.Max(peak, ProcessMemory.Peak);
        }
        return new(reads, writes, passes, halves, full, files.Sum(file => new FileInfo(file).Length), before, peak, isCold);

        double Build(AlignmentDirectionEncoding encoding)
        {
            isCold &= PageCache.TryDrop(files);
            var seconds = Time(() => AlignmentDirection.BuildToFile(aligned, baseline, layers, output, new() { Encoding = encoding }));
            Delete(output);
            return seconds;
        }
    }

    // A file system may give the blocks back to the disk later, while the next is timed; a flush brings that forward.
    private static void Delete(string path)
    {
        File.Delete(path);
        using var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, options: FileOptions.DeleteOnClose);
        RandomAccess.Write(handle, [0], 0);
        RandomAccess.FlushToDisk(handle);
    }

    private static void Write(string path, byte[] buffer, long bytes)
    {
        using var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, preallocationSize: bytes);
        for (var offset = 0L; offset < bytes; offset += buffer.Length)
            RandomAccess.Write(handle, buffer.AsSpan(0, (int)Math.Min(buffer.Length, bytes - offset)), offset);
        RandomAccess.FlushToDisk(handle);
    }

    internal static double Time(Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
