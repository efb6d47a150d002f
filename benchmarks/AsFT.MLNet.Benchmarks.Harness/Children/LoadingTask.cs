using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What loading a model took.</summary>
/// <param name="ReadSeconds">Reading its files from start to end, per round.</param>
/// <param name="ConvertSeconds">Converting as many numbers into fresh memory, per round.</param>
/// <param name="LoadSeconds">Loading it, per round.</param>
/// <param name="Bytes">Bytes of its files.</param>
/// <param name="WeightBytes">Bytes of the weights in memory.</param>
/// <param name="ResidentBefore">Resident memory before the first load.</param>
/// <param name="Peak">Peak of resident memory during the first load.</param>
/// <param name="IsCold">Whether files came from the disk each time.</param>
internal sealed record LoadingFigures(double[] ReadSeconds, double[] ConvertSeconds, double[] LoadSeconds, long Bytes, long WeightBytes, long ResidentBefore, long Peak, bool IsCold);

/// <summary>Loads a model, and does the parts of that work one after the other, in turns.</summary>
internal static class LoadingTask
{
    private const int Rounds = 3, BlockBytes = 16 << 20;

    public static LoadingFigures Run(string folder, string device, string dtype)
    {
        var placement = ComputePlacement.Resolve(device, dtype);
        string[] files;
        using (var checkpoint = ModelCheckpoint.Open(folder)) files = [.. checkpoint.Files];
        var bytes = files.Sum(file => new FileInfo(file).Length);
        var (reads, conversions, loads) = (new double[Rounds], new double[Rounds], new double[Rounds]);
        var isCold = true;
        var (before, peak, weights) = (0L, 0L, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            isCold &= PageCache.TryDrop(files);
            if (round == 0)
            {
                // libtorch's threads and kernels exist before memory is counted; then nothing but loading happens.
                using (NewDisposeScope()) ones(1024, 1024).to(ScalarType.BFloat16).to(placement.DType);
                before = ProcessMemory.Resident;
                ProcessMemory.TryResetPeak();
            }
            loads[round] = DirectionTask.Time(() =>
            {
                using var model = CausalLanguageModel.Load(folder, placement);
                weights = model.Weights().Sum(weight => weight.Value.numel() * weight.Value.element_size());
            });
            if (round == 0) peak = ProcessMemory.Peak;
            isCold &= PageCache.TryDrop(files);
            reads[round] = DirectionTask.Time(() => PageCache.ReadAll(files, new byte[BlockBytes]));
            conversions[round] = DirectionTask.Time(() => Convert(bytes, placement));
        }
        return new(reads, conversions, loads, bytes, weights, before, peak, isCold);
    }

    private static void Convert(long bytes, ComputePlacement placement)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var block = zeros(BlockBytes / 2, ScalarType.BFloat16);
        // All results stay until the end: a model's weights stay as well, and fresh memory is what costs.
        for (var done = 0L; done < bytes; done += BlockBytes) block.to(placement.DType, placement.Device, copy: true);
    }
}
