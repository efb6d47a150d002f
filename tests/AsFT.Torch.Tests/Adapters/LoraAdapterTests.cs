using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using CsCheck;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

public sealed class LoraAdapterTests : IDisposable
{
    private static readonly ModelConfig Config = new()
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

    private readonly CausalLanguageModel _model = CausalLanguageModel.Create(Config, new ComputePlacement(CPU, ScalarType.Float32), seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("asft-lora-").FullName;

    [Fact]
    public void FreshAdapterChangesNothing()
    {
        using var before = Logits(_model);
        using var adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions(), seed: 3);
        using var after = Logits(_model);
        Assert.True(before.equal(after).all().item<bool>());
    }

    [Fact]
    public void InitialisationIsPeftsAndSeeded()
    {
        using var adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { TargetModules = ["down_proj"] }, seed: 3);
        foreach (var layer in adapter.Layers)
        {
            var bound = 1 / Math.Sqrt(layer.Target.InFeatures);
            Assert.InRange(layer.A.abs().max().item<float>(), 0.8 * bound, bound);
            Assert.Equal(0, layer.B.abs().max().item<float>());
        }
        using var other = CausalLanguageModel.Create(Config, _model.Placement, seed: 1);
        using var same = LoraAdapter.Attach(other.LinearLayers(), adapter.Options, seed: 3);
        Assert.True(adapter.Layers[1].A.equal(same.Layers[1].A).all().item<bool>());
    }

    [Fact]
    public void MergedForwardIsAdapterForward() =>
        Gen.Select(Gen.Int[1, 8], Gen.Double[0.5, 64], Gen.Bool).Sample((rank, alpha, rsLora) =>
        {
            using var adapter = RandomAdapter(_model, new LoraOptions { Rank = rank, Alpha = alpha, UseRsLora = rsLora, TargetModules = ["all-linear"] });
            using var before = Logits(_model);
            adapter.Merge();
            Assert.All(_model.LinearLayers(), layer => Assert.Null(layer.Adapter));
            using var merged = Logits(_model);
            adapter.Unmerge();
            using var after = Logits(_model);
            AssertClose(before, merged, 1e-4);
            AssertClose(before, after, 1e-4);
        }, iter: 30, threads: 1);

    [Fact]
    public void SavedAdapterGivesTheSameBits()
    {
        var options = new LoraOptions { Rank = 4, Alpha = 6, UseRsLora = true, TargetModules = ["q_proj", "gate_proj"] };
        using var adapter = RandomAdapter(_model, options);
        using var expected = Logits(_model);
        adapter.Save(_folder, "some/model");
        adapter.Dispose();
        using var loaded = LoraAdapter.Load(_model.LinearLayers(), _folder);
        using var actual = Logits(_model);
        Assert.True(expected.equal(actual).all().item<bool>());
        Assert.Equal(options with { TargetModules = [] }, loaded.Options with { TargetModules = [] });
        Assert.Equal(options.TargetModules, loaded.Options.TargetModules);
    }

    [Fact]
    public void FolderIsInPeftsLayout()
    {
        using var adapter = RandomAdapter(_model, new LoraOptions { Rank = 2, TargetModules = ["v_proj"] });
        adapter.Save(_folder, "some/model");
        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder, "adapter_config.json")));
        Assert.Equal("LORA", config.RootElement.GetProperty("peft_type").GetString());
        Assert.Equal("some/model", config.RootElement.GetProperty("base_model_name_or_path").GetString());
        Assert.Equal(2, config.RootElement.GetProperty("r").GetInt32());
        using var weights = SafetensorsFile.Open(Path.Combine(_folder, "adapter_model.safetensors"));
        Assert.Equal([2, 16], weights.Entries["base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"].Shape);
        Assert.Equal([8, 2], weights.Entries["base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"].Shape);
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors"], Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void AllLinearLeavesTheHeadOut()
    {
        using var adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { TargetModules = ["all-linear"] }, seed: 0);
        Assert.Equal(7 * Config.LayerCount, adapter.Layers.Count);
        Assert.DoesNotContain(adapter.Layers, layer => layer.Name == "lm_head");
    }

    [Fact]
    public void DropoutActsInTrainingAloneAndIsSeeded()
    {
        Tensor Run(bool training)
        {
            using var adapter = RandomAdapter(_model, new LoraOptions { Dropout = 0.5 });
            adapter.Train(training);
            return Logits(_model);
        }
        using var first = Run(training: true);
        using var second = Run(training: true);
        using var evaluated = Run(training: false);
        Assert.True(first.equal(second).all().item<bool>());
        Assert.False(first.equal(evaluated).all().item<bool>());
    }

    [Theory]
    [InlineData("k_prj", "k_prj")]
    [InlineData("proj", "q_proj")]
    public void UnknownTargetIsNamedWithTheChoices(string target, string inMessage)
    {
        var error = Assert.Throws<ArgumentException>(() => LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { TargetModules = [target] }, seed: 0));
        Assert.Contains($"'{target}'", error.Message, StringComparison.Ordinal);
        Assert.Contains(inMessage, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 32, 0, "Rank")]
    [InlineData(8, 0, 0, "Alpha")]
    [InlineData(8, double.NaN, 0, "Alpha")]
    [InlineData(8, 32, 1, "Dropout")]
    [InlineData(8, 32, double.NaN, "Dropout")]
    public void OptionOutOfRangeIsNamed(int rank, double alpha, double dropout, string name)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { Rank = rank, Alpha = alpha, Dropout = dropout }, seed: 0));
        Assert.Equal(name, error.ParamName);
    }

    [Fact]
    public void RankAboveTheMatrixIsRefusedByName()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { Rank = 9 }, seed: 0));
        Assert.Contains("model.layers.0.self_attn.v_proj", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"peft_type":"IA3"}""", "IA3")]
    [InlineData("""{"peft_type":"LORA","use_dora":true}""", "use_dora")]
    [InlineData("""{"peft_type":"LORA","bias":"all"}""", "bias")]
    [InlineData("""{"peft_type":"LORA","modules_to_save":["lm_head"]}""", "modules_to_save")]
    [InlineData("""{"peft_type":"LORA","r":"eight"}""", "eight")]
    [InlineData("""{"peft_type":"LORA","r":0}""", "r is 0; a whole number")]
    [InlineData("""{"peft_type":""", "malformed JSON")]
    public void ForeignAdapterConfigIsRefused(string config, string inMessage)
    {
        using (var adapter = RandomAdapter(_model, new LoraOptions())) adapter.Save(_folder);
        File.WriteAllText(Path.Combine(_folder, "adapter_config.json"), config);
        var error = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder));
        Assert.Contains(inMessage, error.Message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AdapterOfAnotherModelIsRefusedByTensor()
    {
        using (var adapter = RandomAdapter(_model, new LoraOptions())) adapter.Save(_folder);
        using var wider = CausalLanguageModel.Create(Config with { HiddenSize = 32 }, _model.Placement, seed: 1);
        var error = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(wider.LinearLayers(), _folder));
        Assert.Contains("lora_A", error.Message, StringComparison.Ordinal);
        using var shallow = CausalLanguageModel.Create(Config with { LayerCount = 1 }, _model.Placement, seed: 1);
        error = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(shallow.LinearLayers(), _folder));
        Assert.Contains("model.layers.1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SecondAdapterOnALayerIsRefused()
    {
        using var adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions(), seed: 0);
        Assert.Throws<InvalidOperationException>(() => LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions(), seed: 0));
    }

    public void Dispose()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static LoraAdapter RandomAdapter(CausalLanguageModel model, LoraOptions options)
    {
        var adapter = LoraAdapter.Attach(model.LinearLayers(), options, seed: 3);
        using var generator = new Generator(5);
        using var _ = no_grad();
        foreach (var layer in adapter.Layers) layer.B.normal_(0, 0.02, generator);
        return adapter;
    }

    private static Tensor Logits(CausalLanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var ids = tensor(new long[] { 1, 5, 9, 13, 2, 7, 7, 30 }, [2, 4]);
        return model.Logits(model.Hidden(ids, SequenceLayout.RightPadded)).MoveToOuterDisposeScope();
    }

    private static void AssertClose(Tensor expected, Tensor actual, double tolerance) =>
        Assert.InRange((expected - actual).abs().max().item<float>(), 0, tolerance);
}
