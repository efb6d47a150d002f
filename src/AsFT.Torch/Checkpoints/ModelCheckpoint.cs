using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>The weights of a Hugging Face model folder: one <c>model.safetensors</c>, or shards with an index.</summary>
public sealed class ModelCheckpoint : IDisposable
{
    /// <summary>Name of the weight file of a model that is not sharded.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>Name of the index of a sharded model.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> _shards;
    private readonly Dictionary<string, SafetensorsFile> _shardOf = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);

    private ModelCheckpoint(string folder, List<SafetensorsFile> shards)
    {
        Folder = folder;
        _shards = shards;
        foreach (var shard in shards)
        {
            foreach (var (name, entry) in shard.Entries)
            {
                if (!_shardOf.TryAdd(name, shard))
                    throw new InvalidDataException($"Tensor '{SafetensorsHeader.Shown(name)}' lies in two shards: '{_shardOf[name].Path}' and '{shard.Path}'.");
                _entries.Add(name, entry);
            }
        }
    }

    /// <summary>The folder as it was given.</summary>
    public string Folder { get; }

    /// <summary>Paths of the weight files.</summary>
    public IReadOnlyList<string> Files => [.. _shards.Select(shard => shard.Path)];

    /// <summary>All tensors by name, over all shards.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    /// <summary>Opens a folder's weights; headers are checked, no tensor is read.</summary>
    /// <param name="folder">A Hugging Face model folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">The folder has no weights, or pickled ones, which are never read; a file is damaged, or the index does not fit the shards.</exception>
    public static ModelCheckpoint Open(string folder)
    {
        var (paths, index) = Locate(folder);
        var shards = new List<SafetensorsFile>();
        try
        {
            foreach (var path in paths) shards.Add(SafetensorsFile.Open(path));
            var checkpoint = new ModelCheckpoint(folder, shards);
            index?.Check(checkpoint._shardOf);
            return checkpoint;
        }
        catch
        {
            foreach (var shard in shards) shard.Dispose();
            throw;
        }
    }

    /// <summary>Paths of a folder's weight files, in the order of their names; the files are not opened.</summary>
    internal static IReadOnlyList<string> WeightFiles(string folder) => Locate(folder).Paths;

    /// <summary>Reads one tensor.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="dtype">Format of the result; as stored when null.</param>
    /// <param name="device">Device of the result; CPU when null.</param>
    /// <returns>A new tensor, the caller's to dispose (it belongs to the caller's DisposeScope when there is one).</returns>
    /// <exception cref="InvalidDataException">There is no such tensor, or TorchSharp has no type for its format.</exception>
    public Tensor Read(string name, ScalarType? dtype = null, Device? device = null) =>
        _shardOf.TryGetValue(name, out var shard) ? shard.Read(name, dtype, device) : throw new InvalidDataException($"'{Folder}' has no tensor '{name}'.");

    /// <summary>The shard that holds a tensor.</summary>
    internal SafetensorsFile ShardOf(string name) => _shardOf[name];

    /// <summary>
    /// Writes a model folder's weights, as shards with an index when they exceed <paramref name="maxShardBytes"/>. Weight
    /// files that the folder held before are replaced; other files stay.
    /// </summary>
    /// <param name="folder">The model folder; made when missing.</param>
    /// <param name="tensors">Tensors by name, on any device, drawn one at a time; at most one shard of them is held at once.</param>
    /// <param name="maxShardBytes">Most bytes of tensors in one file, at least 1; a single larger tensor still gets a file to itself.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or a tensor's type is not in the format.</exception>
    public static void Save(string folder, IEnumerable<KeyValuePair<string, Tensor>> tensors, long maxShardBytes = 5_000_000_000)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxShardBytes, 1);
        Replace(folder, partial => ShardedOutput.Write(partial, tensors, maxShardBytes));
    }

    /// <summary>The same for tensors that are made one by one, each when its bytes are written: one of them is held at once.</summary>
    /// <param name="folder">The model folder; made when missing.</param>
    /// <param name="tensors">What each file's header says of a tensor, and what makes it.</param>
    /// <param name="maxShardBytes">Most bytes of tensors in one file, at least 1.</param>
    internal static void SaveOneByOne(string folder, IEnumerable<(TensorPlan Plan, Func<Tensor> Make)> tensors, long maxShardBytes = 5_000_000_000) =>
        Replace(folder, partial => ShardedOutput.WriteOneByOne(partial, tensors, maxShardBytes));

    // A weight file of an earlier save beside the new ones would be read in their place.
    private static void Replace(string folder, Action<string> write) => AtomicOutput.WriteFolder(folder, write, ShardedOutput.IsWeightFile);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var shard in _shards) shard.Dispose();
    }

    private static (IReadOnlyList<string> Paths, ShardIndex? Index) Locate(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException(File.Exists(folder) ? $"'{folder}' is a file; a model folder is wanted." : $"There is no model folder '{folder}'.{HubName.Advice(folder)}");
        var single = Path.Combine(folder, SingleFile);
        if (File.Exists(single)) return ([single], null);
        var indexPath = Path.Combine(folder, IndexFile);
        if (File.Exists(indexPath))
        {
            var index = ShardIndex.Load(indexPath);
            return (index.ShardPaths, index);
        }
        throw new InvalidDataException(PickleFiles.FindIn(folder) is { } pickle
            ? PickleFiles.Refusal(pickle)
            : $"Model folder '{folder}' has neither {SingleFile} nor {IndexFile}.");
    }
}
