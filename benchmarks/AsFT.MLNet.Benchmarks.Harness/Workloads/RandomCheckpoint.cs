using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>Checkpoints of random bfloat16 weights, in shards as large models have them.</summary>
internal static class RandomCheckpoint
{
    private const long ShardBytes = 256L << 20;

    /// <summary>Writes a whole model.</summary>
    public static void Write(string folder, ModelConfig config)
    {
        var tensors = new List<(string Name, long[] Shape)>();
        using (NewDisposeScope())
            CausalLanguageModel.Layout(config, (name, shape) => tensors.Add((name, shape))).Dispose();
        Directory.CreateDirectory(folder);
        config.Save(folder);
        Write(folder, tensors, seed: 1);
    }

    /// <summary>Writes tensors.</summary>
    public static void Write(string folder, IReadOnlyList<(string Name, long[] Shape)> tensors, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed);
        using Scalar deviation = 0.02;
        // One block of noise serves all: what is in a file does not change how fast it is read.
        var noise = randn([tensors.Max(tensor => Size(tensor.Shape))], generator: generator).mul_(deviation).to(ScalarType.BFloat16);
        ModelCheckpoint.Save(folder, tensors.Select(tensor => KeyValuePair.Create(tensor.Name, noise.narrow(0, 0, Size(tensor.Shape)).view(tensor.Shape))), ShardBytes);
    }

    private static long Size(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);
}
