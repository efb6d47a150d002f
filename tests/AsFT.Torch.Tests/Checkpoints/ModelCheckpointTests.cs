using System.Text.Json;
using AsFT.Torch.Checkpoints;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Checkpoints;

public class ModelCheckpointTests
{
    private static Dictionary<string, Tensor> Weights() => new()
    {
        ["model.embed_tokens.weight"] = randn(20, 8, generator: new Generator(1)).to(ScalarType.BFloat16),
        ["model.layers.0.mlp.up_proj.weight"] = randn(16, 8, generator: new Generator(2)).to(ScalarType.BFloat16),
        ["model.layers.0.mlp.down_proj.weight"] = randn(8, 16, generator: new Generator(3)).to(ScalarType.BFloat16),
        ["model.norm.weight"] = ones(8, ScalarType.BFloat16),
        ["lm_head.weight"] = randn(20, 8, generator: new Generator(4)).to(ScalarType.BFloat16),
    };

    [Fact]
    public void Shards_hold_the_same_bits_under_hugging_faces_names()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights();
        ModelCheckpoint.Save(folder.Path, weights, maxShardBytes: 600);

        Assert.Equal(
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            folder.FileNames);
        using var index = JsonDocument.Parse(File.ReadAllText(folder["model.safetensors.index.json"]));
        Assert.Equal(weights.Values.Sum(w => w.numel() * 2), index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64());
        Assert.Equal(weights.Keys, index.RootElement.GetProperty("weight_map").EnumerateObject().Select(property => property.Name));
        AssertHolds(folder.Path, weights, files: 2);
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(320, 4)]
    [InlineData(848, 2)]
    [InlineData(long.MaxValue, 1)]
    public void No_shard_exceeds_the_limit_unless_it_holds_one_tensor(long limit, int files)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights();
        ModelCheckpoint.Save(folder.Path, weights, limit);
        AssertHolds(folder.Path, weights, files);
        using var checkpoint = ModelCheckpoint.Open(folder.Path);
        foreach (var path in checkpoint.Files)
        {
            using var shard = SafetensorsFile.Open(path);
            Assert.True(shard.Entries.Count == 1 || shard.Entries.Values.Sum(entry => entry.ByteCount) <= limit);
        }
    }

    [Fact]
    public void A_later_save_leaves_no_older_weights_to_be_read_in_its_place()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], "{}");
        var (first, second) = (Weights(), new Dictionary<string, Tensor> { ["w"] = ones(4), ["v"] = zeros(4) });
        ModelCheckpoint.Save(folder.Path, first, maxShardBytes: 600);
        ModelCheckpoint.Save(folder.Path, second);
        Assert.Equal(["model.safetensors", "tokenizer.json"], folder.FileNames);
        AssertHolds(folder.Path, second, files: 1);
        ModelCheckpoint.Save(folder.Path, first, maxShardBytes: 600);
        AssertHolds(folder.Path, first, files: 2);
        Assert.DoesNotContain("model.safetensors", folder.FileNames);
    }

    [Fact]
    public void Tensors_may_be_freed_by_their_source_as_they_are_drawn()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights();
        ModelCheckpoint.Save(folder.Path, Fleeting(), maxShardBytes: 600);
        AssertHolds(folder.Path, weights, files: 2);

        IEnumerable<KeyValuePair<string, Tensor>> Fleeting()
        {
            foreach (var (name, tensor) in weights)
            {
                using var copy = tensor.clone();
                yield return KeyValuePair.Create(name, copy);
            }
        }
    }

    [Fact]
    public void A_save_that_fails_half_way_leaves_nothing()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Assert.Throws<InvalidOperationException>(() => ModelCheckpoint.Save(folder["model"], Failing(), maxShardBytes: 600));
        Assert.Empty(folder.FileNames);
        Assert.Throws<ArgumentException>(() => ModelCheckpoint.Save(folder["model"], [KeyValuePair.Create("w", ones(1)), KeyValuePair.Create("w", ones(1))]));
        Assert.Empty(folder.FileNames);

        static IEnumerable<KeyValuePair<string, Tensor>> Failing()
        {
            foreach (var pair in Weights()) yield return pair;
            throw new InvalidOperationException("cancelled");
        }
    }

    [Fact]
    public void A_checkpoint_is_read_as_another_type()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        ModelCheckpoint.Save(folder.Path, Weights(), maxShardBytes: 600);
        using var checkpoint = ModelCheckpoint.Open(folder.Path);
        Assert.True(checkpoint.Read("lm_head.weight", ScalarType.Float32).Equals(Weights()["lm_head.weight"].to(ScalarType.Float32)));
        Assert.Contains("'nothing'", Assert.Throws<InvalidDataException>(() => checkpoint.Read("nothing")).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> BadIndices => new()
    {
        { "not json", "malformed JSON" },
        { "[]", "no JSON object" },
        { "{}", "weight_map" },
        { """{"weight_map":[]}""", "weight_map" },
        { """{"weight_map":{}}""", "names no tensor" },
        { """{"weight_map":{"a":1}}""", "tensor 'a' is no text" },
        { """{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}""", "malformed JSON" },
        { """{"weight_map":{"a":"one.safetensors"},"weight_map":{"b":"two.safetensors"}}""", "malformed JSON" },
        { """{"weight_map":{"a":"\ud800.safetensors"}}""", "surrogate" },
        { """{"weight_map":{"a":"../one.safetensors"}}""", "'../one.safetensors'" },
        { """{"weight_map":{"a":"/etc/one.safetensors"}}""", "'/etc/one.safetensors'" },
        { """{"weight_map":{"a":"C:\\one.safetensors"}}""", "'C:\\one.safetensors'" },
        { """{"weight_map":{"a":"sub/one.safetensors"}}""", "'sub/one.safetensors'" },
        { """{"weight_map":{"a":".."}}""", "'..'" },
        { """{"weight_map":{"a":""}}""", "''" },
        { """{"weight_map":{"a":"one\u0000.safetensors"}}""", "one\\u0000" },
        { """{"weight_map":{"a":"pytorch_model.bin"}}""", "no safetensors file" },
        { """{"weight_map":{"a":"three.safetensors"}}""", "no such file" },
        { """{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"}}""", "'c' in 'two.safetensors', but that shard does not hold it" },
        { """{"weight_map":{"a":"two.safetensors","b":"two.safetensors","x":"one.safetensors"}}""", "'a' in 'two.safetensors', but it lies in 'one.safetensors'" },
        { """{"weight_map":{"a":"one.safetensors"}}""", "tensor 'x', which" },
        { """{"weight_map":{"a":"one.safetensors","b":"same.safetensors"}}""", "lies in two shards" },
    };

    [Theory]
    [MemberData(nameof(BadIndices))]
    public void A_damaged_index_is_refused_with_its_own_error(string index, string says)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["one.safetensors"], [KeyValuePair.Create("a", ones(1)), KeyValuePair.Create("x", ones(1))]);
        SafetensorsWriter.Write(folder["two.safetensors"], [KeyValuePair.Create("b", ones(1))]);
        SafetensorsWriter.Write(folder["same.safetensors"], [KeyValuePair.Create("a", ones(1)), KeyValuePair.Create("b", ones(1))]);
        File.WriteAllText(folder["model.safetensors.index.json"], index);
        var e = Assert.Throws<InvalidDataException>(() => ModelCheckpoint.Open(folder.Path));
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_without_weights_say_what_is_missing_and_pickles_are_never_read()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<DirectoryNotFoundException>(() => ModelCheckpoint.Open(folder["nowhere"]));
        Assert.Contains("model.safetensors", Assert.Throws<InvalidDataException>(() => ModelCheckpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder["pytorch_model.bin"], [0x80, 2]);
        var e = Assert.Throws<InvalidDataException>(() => ModelCheckpoint.Open(folder.Path));
        Assert.Contains("pytorch_model.bin", e.Message, StringComparison.Ordinal);
        Assert.Contains("never read", e.Message, StringComparison.Ordinal);
        Assert.Contains("safetensors", e.Message, StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => ModelCheckpoint.Open(folder["pytorch_model.bin"]));
    }

    private static void AssertHolds(string folder, Dictionary<string, Tensor> expected, int files)
    {
        using var checkpoint = ModelCheckpoint.Open(folder);
        Assert.Equal(files, checkpoint.Files.Count);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), checkpoint.Entries.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, tensor) in expected)
        {
            using var found = checkpoint.Read(name);
            Assert.Equal(tensor.dtype, found.dtype);
            Assert.True(found.bytes.SequenceEqual(tensor.bytes), name);
        }
    }
}
