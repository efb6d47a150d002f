using System.Text.Json;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>Writes tensors into one file, or into numbered shards and their index.</summary>
internal static class ShardedOutput
{
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>Writes the weight files into an empty folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tensors">Tensors that are drawn one by one; a shard of them is held until it is written.</param>
    /// <param name="maxShardBytes">Bytes of a shard, at most.</param>
    public static void Write(string folder, IEnumerable<KeyValuePair<string, Tensor>> tensors, long maxShardBytes)
    {
        var held = new List<Tensor>();
        try
        {
            WriteOneByOne(folder, tensors.Select(pair =>
            {
                var plan = SafetensorsWriter.PlanOf(pair.Key, pair.Value);
                // A second handle: the caller may dispose its own as soon as it is asked for the next tensor.
                var tensor = pair.Value.detach().DetachFromDisposeScope();
                held.Add(tensor);
                return (plan, (Func<Tensor>)(() => tensor));
            }), maxShardBytes, Release);
        }
        finally
        {
            Release(held.Count);
        }

        void Release(int count)
        {
            foreach (var tensor in held.Take(count)) tensor.Dispose();
            held.RemoveRange(0, count);
        }
    }

    /// <summary>Writes the weight files into an empty folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tensors">What each file's header says of a tensor, and what makes it when its turn comes.</param>
    /// <param name="maxShardBytes">Bytes of a shard, at most.</param>
    /// <param name="written">Told after each file how many tensors it took.</param>
    public static void WriteOneByOne(string folder, IEnumerable<(TensorPlan Plan, Func<Tensor> Make)> tensors, long maxShardBytes, Action<int>? written = null)
    {
        var shards = new List<List<string>>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var shard = new List<(TensorPlan Plan, Func<Tensor> Make)>();
        var (shardBytes, totalBytes) = (0L, 0L);
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Plan.Name)) throw new ArgumentException($"Two tensors are named '{tensor.Plan.Name}'.", nameof(tensors));
            if (shard.Count > 0 && shardBytes + tensor.Plan.ByteCount > maxShardBytes) Flush();
            shard.Add(tensor);
            shardBytes += tensor.Plan.ByteCount;
            totalBytes += tensor.Plan.ByteCount;
        }
        if (shard.Count > 0 || shards.Count == 0) Flush();
        Rename(folder, shards, totalBytes);

        void Flush()
        {
            shards.Add([.. shard.Select(tensor => tensor.Plan.Name)]);
            SafetensorsWriter.WriteOneByOne(Path.Combine(folder, Unnumbered(shards.Count)), shard, Metadata);
            written?.Invoke(shard.Count);
            shard.Clear();
            shardBytes = 0;
        }
    }

    /// <summary>Whether a file is one that <see cref="Write"/> makes.</summary>
    public static bool IsWeightFile(string name)
    {
        if (name is ModelCheckpoint.SingleFile or ModelCheckpoint.IndexFile) return true;
        var parts = Path.GetFileNameWithoutExtension(name).Split('-');
        return name.EndsWith(".safetensors", StringComparison.Ordinal)
            && parts is ["model", var number, "of", var count] && number.All(char.IsAsciiDigit) && count.All(char.IsAsciiDigit);
    }

    private static string Unnumbered(int shard) => $"shard-{shard}";

    // How many shards there are stands in every name and is known only now.
    private static void Rename(string folder, List<List<string>> shards, long totalBytes)
    {
        if (shards.Count == 1)
        {
            File.Move(Path.Combine(folder, Unnumbered(1)), Path.Combine(folder, ModelCheckpoint.SingleFile));
            return;
        }
        using var stream = File.Create(Path.Combine(folder, ModelCheckpoint.IndexFile));
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", totalBytes);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        for (var shard = 1; shard <= shards.Count; shard++)
        {
            var file = $"model-{shard:00000}-of-{shards.Count:00000}.safetensors";
            File.Move(Path.Combine(folder, Unnumbered(shard)), Path.Combine(folder, file));
            foreach (var name in shards[shard - 1]) json.WriteString(name, file);
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
