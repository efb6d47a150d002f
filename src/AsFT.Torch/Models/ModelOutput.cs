using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Writes a model folder.</summary>
internal static class ModelOutput
{
    /// <summary>Writes weights and <c>config.json</c> together: a save broken off in between would leave new weights beside an old config.</summary>
    /// <param name="folder">The folder; made when missing. Weight files that it held before are replaced, other files stay.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Tensors by name, drawn one at a time.</param>
    /// <param name="maxShardBytes">Above this the weights are split.</param>
    public static void Save(string folder, ModelConfig config, IEnumerable<KeyValuePair<string, Tensor>> weights, long maxShardBytes = 5_000_000_000) =>
        AtomicOutput.WriteFolder(folder, partial =>
        {
            config.Save(partial);
            ModelCheckpoint.Save(partial, weights, maxShardBytes);
        }, ShardedOutput.IsWeightFile);
}
