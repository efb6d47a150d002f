using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Writes a model folder.</summary>
internal static class ModelOutput
{
    /// <summary>Makes sure that a folder that is to be written does not take the place of another model; cheap, so that it can be asked before the work.</summary>
    /// <param name="source">Folder of the model that it is made from.</param>
    /// <param name="folder">The folder that is to be written.</param>
    /// <param name="what">What is written, such as <c>the merged model</c>.</param>
    /// <param name="mayReplace">Whether the model in a folder may be replaced; null: none may.</param>
    /// <exception cref="ArgumentException">Both folders are the same.</exception>
    /// <exception cref="IOException">The folder holds the weights of another model.</exception>
    public static void CheckTarget(string source, string folder, string what, Func<string, bool>? mayReplace = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (Full(folder) == Full(source))
            throw new ArgumentException($"'{folder}' is the folder of the model that {what} is made from, which would be written over; choose another folder.", nameof(folder));
        // Also catches the model's own folder under another name: a link, or other letter case.
        if (Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.safetensors").Any() && mayReplace?.Invoke(folder) != true)
            throw new IOException($"'{folder}' holds another model already; choose another folder for {what}.");

        static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }

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
