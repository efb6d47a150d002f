using System.Text.Json.Nodes;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

/// <summary>Adapters as other tools write them.</summary>
public sealed class PeftFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CausalLanguageModel _model = TinyLlama.Create(TinyLlama.Config);

    public PeftFolderTests()
    {
        using var adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { Rank = 4, Alpha = 8, TargetModules = ["q_proj", "v_proj"] }, seed: 1);
        adapter.Save(_folder.Path);
        WithoutOurMetadata();
    }

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("init_lora_weights", "\"eva\"")]
    [InlineData("init_lora_weights", "null")]
    [InlineData("lora_dropout", "null")]
    [InlineData("r", "4.0")]
    [InlineData("target_modules", """
        ".*\\.(q_proj|v_proj)"
        """)]
    [InlineData("target_modules", """["q_proj","v_proj","k_proj"]""", "exclude_modules", """["k_proj"]""")]
    [InlineData("target_modules", """["model.layers.0.self_attn.q_proj","model.layers.0.self_attn.v_proj","model.layers.1.self_attn.q_proj","model.layers.1.self_attn.v_proj"]""", "layers_to_transform", "0")]
    [InlineData("target_modules", """["q_proj","v_proj"]""", "layers_to_transform", "[0, 1]", "layers_pattern", "\"layers\"")]
    [InlineData("unknown_field", "{}", "another", "false", "a_third", "\"\"")]
    [InlineData("fan_in_fan_out", "true")]
    public void Variants_are_read(params string[] fields)
    {
        Change(config => { for (var i = 0; i < fields.Length; i += 2) config[fields[i]] = JsonNode.Parse(fields[i + 1]); });
        using var adapter = LoraAdapter.Load(_model.LinearLayers(), _folder.Path);
        Assert.Equal(2 * TinyLlama.Config.LayerCount, adapter.Layers.Count);
        Assert.All(adapter.Layers, layer => Assert.Equal(2, layer.Scale));
    }

    [Theory]
    [InlineData("init_lora_weights", "\"pissa\"", "the model's own weights")]
    [InlineData("lora_alpha", "null", "lora_alpha is null")]
    [InlineData("r", "8.5", "r is 8.5")]
    [InlineData("r", "8", "has rank 4")]
    [InlineData("target_modules", """["q_proj","v_proj","o_proj"]""", "model.layers.0.self_attn.o_proj")]
    [InlineData("target_modules", """["q_proj"]""", "model.layers.0.self_attn.v_proj")]
    [InlineData("target_modules", "\"(\"", "regular expression")]
    [InlineData("target_modules", "[1]", "target_modules")]
    [InlineData("layers_to_transform", "[0]", "model.layers.1")]
    [InlineData("alpha_pattern", """{"q_proj":null}""", "alpha_pattern.q_proj")]
    [InlineData("use_dora", "true", "use_dora is true; DoRA")]
    [InlineData("layers_to_transform", "0", "model.layers.1")]
    [InlineData("layers_pattern", "\"blocks\"", "model.layers.0", "layers_to_transform", "[0, 1]")]
    [InlineData("exclude_modules", "\"(\"", "regular expression")]
    [InlineData("init_lora_weights", "\"olora\"", "the model's own weights")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"", "the model's own weights")]
    [InlineData("peft_type", "\"LOHA\"", "only LORA is read")]
    [InlineData("bias", "\"all\"", "biases")]
    [InlineData("alora_invocation_tokens", "[1, 2]", "alora_invocation_tokens")]
    [InlineData("target_parameters", """["experts.weight"]""", "target_parameters")]
    [InlineData("enable_lora", "[true, false]", "enable_lora")]
    [InlineData("unknown_field", "1", "unknown_field is 1; the field is not known here")]
    public void What_would_change_the_adapter_is_refused_by_name(string field, string value, string word, params string[] others)
    {
        Change(config =>
        {
            config[field] = JsonNode.Parse(value);
            for (var i = 0; i < others.Length; i += 2) config[others[i]] = JsonNode.Parse(others[i + 1]);
        });
        var message = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder.Path)).Message;
        Assert.Contains(_folder.Path, message, StringComparison.Ordinal);
        Assert.Contains(word, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_lacks_layers_of_its_config_is_refused_with_their_names()
    {
        KeepFirstLayer();
        var message = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder.Path)).Message;
        Assert.Contains("model.layers.1.self_attn.q_proj, model.layers.1.self_attn.v_proj", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_alpha_of_its_own_scales_a_layer_and_is_written_again()
    {
        Change(config => config["alpha_pattern"] = new JsonObject { ["0.self_attn.q_proj"] = 4, ["v_proj"] = 16 });
        using (var adapter = LoraAdapter.Load(_model.LinearLayers(), _folder.Path))
        {
            Assert.Equal([1, 4, 2, 4], adapter.Layers.Select(layer => layer.Scale));
            adapter.Save(_folder["again"]);
        }
        using var again = LoraAdapter.Load(_model.LinearLayers(), _folder["again"]);
        Assert.Equal([1, 4, 2, 4], again.Layers.Select(layer => layer.Scale));
    }

    [Theory]
    [InlineData("layers_to_transform", "[0]")]
    [InlineData("exclude_modules", """["1.self_attn.q_proj", "1.self_attn.v_proj"]""")]
    [InlineData("target_modules", "\".*\\\\.0\\\\..*(q_proj|v_proj)\"")]
    public void An_adapter_on_some_of_the_layers_that_its_names_mean_is_written_again_with_those(string field, string value)
    {
        KeepFirstLayer();
        Change(config => config[field] = JsonNode.Parse(value));
        using (var adapter = LoraAdapter.Load(_model.LinearLayers(), _folder.Path)) adapter.Save(_folder["again"]);
        using var again = LoraAdapter.Load(_model.LinearLayers(), _folder["again"]);
        Assert.Equal(["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"], again.Layers.Select(layer => layer.Name));
    }

    [Fact]
    public void Dropout_of_further_training_may_be_another_than_the_files()
    {
        using (var own = LoraAdapter.Load(_model.LinearLayers(), _folder.Path)) Assert.Equal(0.05, own.Options.Dropout);
        using (var other = LoraAdapter.Load(_model.LinearLayers(), _folder.Path, dropout: 0.5)) Assert.Equal(0.5, other.Options.Dropout);
        Assert.Throws<ArgumentOutOfRangeException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder.Path, dropout: 1));
    }

    [Fact]
    public void Pickled_weights_alone_get_the_advice_that_models_get()
    {
        File.Move(_folder["adapter_model.safetensors"], _folder["adapter_model.bin"]);
        var message = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder.Path)).Message;
        Assert.Contains("safe_serialization", message, StringComparison.Ordinal);
        File.Delete(_folder["adapter_model.bin"]);
        Assert.Contains("has no adapter_model.safetensors", Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model.LinearLayers(), _folder.Path)).Message, StringComparison.Ordinal);
    }

    private void KeepFirstLayer()
    {
        var path = _folder["adapter_model.safetensors"];
        using (var scope = NewDisposeScope())
        using (var file = SafetensorsFile.Open(path))
        {
            var kept = file.Entries.Keys.Where(name => !name.Contains(".layers.1.", StringComparison.Ordinal)).Select(name => KeyValuePair.Create(name, file.Read(name))).ToList();
            SafetensorsWriter.Write(_folder["part.safetensors"], kept);
        }
        File.Move(_folder["part.safetensors"], path, overwrite: true);
    }

    private void Change(Action<JsonObject> change)
    {
        var config = JsonNode.Parse(File.ReadAllText(_folder["adapter_config.json"]))!.AsObject();
        change(config);
        File.WriteAllText(_folder["adapter_config.json"], config.ToJsonString());
    }

    // As PEFT writes it: nothing that ties the weights to one config.
    private void WithoutOurMetadata()
    {
        var path = _folder["adapter_model.safetensors"];
        using var scope = NewDisposeScope();
        List<KeyValuePair<string, Tensor>> tensors;
        using (var file = SafetensorsFile.Open(path)) tensors = [.. file.Entries.Keys.Select(name => KeyValuePair.Create(name, file.Read(name)))];
        SafetensorsWriter.Write(_folder["plain"], tensors, new Dictionary<string, string> { ["format"] = "pt" });
        File.Move(_folder["plain"], path, overwrite: true);
    }
}
