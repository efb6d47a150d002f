using System.Text.Json;
using AsFT.Torch.Input;

namespace AsFT.Torch.Checkpoints;

/// <summary><c>model.safetensors.index.json</c>: which shard holds which tensor. Untrusted input like the shards' headers.</summary>
internal sealed class ShardIndex
{
    private const long MaxBytes = 100_000_000;
    private readonly string _path;
    private readonly Dictionary<string, string> _shardPathOf;

    private ShardIndex(string path, Dictionary<string, string> shardPathOf) => (_path, _shardPathOf) = (path, shardPathOf);

    /// <summary>Paths of the shards in name order.</summary>
    public IReadOnlyList<string> ShardPaths => [.. _shardPathOf.Values.Distinct().Order(StringComparer.Ordinal)];

    /// <exception cref="InvalidDataException">The index is damaged, or names a file that is missing or outside its folder.</exception>
    public static ShardIndex Load(string path)
    {
        using var document = JsonInput.Open(path, MaxBytes);
        if (!document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException($"'{path}' has no object 'weight_map'.");
        var shards = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in map.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.String)
                throw new InvalidDataException($"'{path}': the shard of tensor '{SafetensorsHeader.Shown(property.Name)}' is no text.");
            shards.Add(property.Name, ShardPath(path, property.Name, property.Value.GetString()!));
        }
        if (shards.Count == 0) throw new InvalidDataException($"'{path}' names no tensor.");
        return new ShardIndex(path, shards);
    }

    /// <summary>Compares the index with what the shards hold.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, lies in another shard, or is not in the index.</exception>
    public void Check(IReadOnlyDictionary<string, SafetensorsFile> shardOf)
    {
        foreach (var (name, path) in _shardPathOf)
        {
            if (!shardOf.TryGetValue(name, out var shard))
                throw new InvalidDataException($"'{_path}' names tensor '{SafetensorsHeader.Shown(name)}' in '{Path.GetFileName(path)}', but that shard does not hold it.");
            if (shard.Path != path)
                throw new InvalidDataException($"'{_path}' names tensor '{SafetensorsHeader.Shown(name)}' in '{Path.GetFileName(path)}', but it lies in '{Path.GetFileName(shard.Path)}'.");
        }
        foreach (var (name, shard) in shardOf)
            if (!_shardPathOf.ContainsKey(name)) throw new InvalidDataException($"'{shard.Path}' holds tensor '{SafetensorsHeader.Shown(name)}', which '{_path}' does not name.");
    }

    // A file name and nothing else, so that no index can make a program open files elsewhere. A link is the folder owner's doing.
    private static string ShardPath(string index, string tensor, string file)
    {
        if (file.Length == 0 || file is "." or ".." || file.AsSpan().IndexOfAny('/', '\\', ':') >= 0 || file.Any(char.IsControl))
            throw new InvalidDataException($"'{index}': the shard of tensor '{SafetensorsHeader.Shown(tensor)}' is '{SafetensorsHeader.Shown(file)}'; the name of a file in the same folder is wanted.");
        if (!file.EndsWith(".safetensors", StringComparison.Ordinal))
            throw new InvalidDataException($"'{index}': the shard of tensor '{SafetensorsHeader.Shown(tensor)}' is '{SafetensorsHeader.Shown(file)}', which is no safetensors file.");
        var path = Path.Combine(Path.GetDirectoryName(index)!, file);
        return File.Exists(path) ? path
            : throw new InvalidDataException($"'{index}' names shard '{SafetensorsHeader.Shown(file)}' for tensor '{SafetensorsHeader.Shown(tensor)}', but there is no such file.");
    }
}
