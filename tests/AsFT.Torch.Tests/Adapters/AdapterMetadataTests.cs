using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tests.Checkpoints;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

public sealed class AdapterMetadataTests : IDisposable
{
    private const string Weights = "adapter_model.safetensors", Config = "adapter_config.json";
    private static readonly ComputePlacement Placement = new(CPU, ScalarType.Float32);
    private static readonly ModelConfig Shape = new()
    {
        VocabularySize = 40,
        HiddenSize = 16,
        IntermediateSize = 24,
        LayerCount = 2,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 4,
        MaxPositions = 32,
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_adapter_is_refused_on_another_model_of_the_same_shape_unless_that_is_allowed()
    {
        Store(seed: 1, "a");
        Store(seed: 2, "b");
        SaveAdapter("a");
        using (var same = Load("a"))
        using (var adapter = LoraAdapter.Load(same.LinearLayers(), _folder["adapter"])) Assert.True(adapter.IsOfThisModel);
        using var other = Load("b");
        var error = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(other.LinearLayers(), _folder["adapter"]));
        Assert.Contains("another model", error.Message);
        Assert.Contains("--allow-other-model", error.Message);
        Assert.All(other.LinearLayers(), layer => Assert.Null(layer.Adapter));
        using var allowed = LoraAdapter.Load(other.LinearLayers(), _folder["adapter"], allowOtherModel: true);
        Assert.False(allowed.IsOfThisModel);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Sharding_and_a_wider_format_make_no_other_model(ScalarType stored)
    {
        using (var model = CausalLanguageModel.Create(Shape, new ComputePlacement(CPU, stored), seed: 1)) model.Save(_folder["half"]);
        SaveAdapter("half");
        using (var half = Load("half")) half.Save(_folder["wide"], maxShardBytes: 4000);
        Assert.False(File.Exists(Path.Combine(_folder["wide"], "model.safetensors")));
        using var wide = Load("wide");
        using var adapter = LoraAdapter.Load(wide.LinearLayers(), _folder["adapter"]);
        Assert.True(adapter.IsOfThisModel);
    }

    [Fact]
    public void The_format_a_model_is_loaded_in_makes_no_other_model()
    {
        Store(seed: 1, "a");
        using var rounded = CausalLanguageModel.Load(_folder["a"], new ComputePlacement(CPU, ScalarType.BFloat16));
        using var adapter = LoraAdapter.Attach(rounded.LinearLayers(), new LoraOptions(), seed: 3);
        using var exact = Load("a");
        using var other = LoraAdapter.Attach(exact.LinearLayers(), new LoraOptions(), seed: 4);
        Assert.Equal(adapter.ModelFingerprint, other.ModelFingerprint);
    }

    [Fact]
    public void A_model_that_an_adapter_was_merged_into_is_another_one()
    {
        Store(seed: 1, "a");
        using var model = Load("a");
        string before;
        using (var first = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions(), seed: 3))
        {
            before = first.ModelFingerprint;
            using (var _ = no_grad())
                foreach (var layer in first.Layers) layer.B.fill_(0.1);
            first.Merge();
        }
        using var second = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions(), seed: 3);
        Assert.NotEqual(before, second.ModelFingerprint);
    }

    [Fact]
    public void An_adapter_without_a_fingerprint_loads_and_tells_that_it_has_none()
    {
        Store(seed: 1, "a");
        SaveAdapter("a");
        Rewrite(metadata => metadata.Remove(AdapterMetadata.ModelKey));
        using var model = Load("a");
        using var adapter = LoraAdapter.Load(model.LinearLayers(), _folder["adapter"]);
        Assert.Null(adapter.IsOfThisModel);
    }

    // What a save that was killed between its two files leaves.
    [Fact]
    public void New_weights_beside_an_old_configuration_are_refused()
    {
        Store(seed: 1, "a");
        SaveAdapter("a", alpha: 32);
        var old = File.ReadAllBytes(Path.Combine(_folder["adapter"], Config));
        SaveAdapter("a", alpha: 4);
        File.WriteAllBytes(Path.Combine(_folder["adapter"], Config), old);
        using var model = Load("a");
        var error = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(model.LinearLayers(), _folder["adapter"]));
        Assert.Contains(Config, error.Message);
        Assert.Contains(Weights, error.Message);
    }

    [Fact]
    public void Another_name_of_the_model_and_another_layout_are_no_other_configuration()
    {
        Store(seed: 1, "a");
        SaveAdapter("a");
        var path = Path.Combine(_folder["adapter"], Config);
        var text = File.ReadAllText(path).Replace("\"some/model\"", "\"some/other\"").Replace("\n", "\r\n").Replace("\"lora_alpha\": 32", "\"lora_alpha\": 32.0")
            .Replace("\"lora_dropout\": 0.05", "\"lora_dropout\": null").Replace("\"init_lora_weights\": true", "\"init_lora_weights\": \"eva\"");
        Assert.All(["32.0", "null", "eva"], changed => Assert.Contains(changed, text));
        File.WriteAllText(path, text);
        using var model = Load("a");
        using var adapter = LoraAdapter.Load(model.LinearLayers(), _folder["adapter"]);
        Assert.Equal(32, adapter.Options.Alpha);
    }

    private void Store(long seed, string name)
    {
        using var model = CausalLanguageModel.Create(Shape, Placement, seed);
        model.Save(_folder[name]);
    }

    private CausalLanguageModel Load(string name) => CausalLanguageModel.Load(_folder[name], Placement);

    private void SaveAdapter(string model, double alpha = 32)
    {
        using var below = Load(model);
        using var adapter = LoraAdapter.Attach(below.LinearLayers(), new LoraOptions { Alpha = alpha }, seed: 3);
        adapter.Save(_folder["adapter"], "some/model");
    }

    private void Rewrite(Action<Dictionary<string, string>> change)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder["adapter"], Weights);
        Dictionary<string, string> metadata;
        List<KeyValuePair<string, Tensor>> tensors;
        using (var file = SafetensorsFile.Open(path))
        {
            metadata = new(file.Metadata);
            tensors = [.. file.Entries.Keys.Select(name => KeyValuePair.Create(name, file.Read(name)))];
        }
        change(metadata);
        SafetensorsWriter.Write(path, tensors, metadata);
    }
}
