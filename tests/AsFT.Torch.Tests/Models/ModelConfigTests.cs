using System.Text.Json.Nodes;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Models;

public class ModelConfigTests
{
    private static string Stories => Path.Combine(TestData.Root, "models", "stories260K");

    [Fact]
    public void A_real_config_is_read()
    {
        var config = ModelConfig.Load(Stories);
        Assert.Equal((512, 64, 172, 5, 8, 4, 8, 512), (config.VocabularySize, config.HiddenSize, config.IntermediateSize, config.LayerCount, config.HeadCount, config.KeyValueHeadCount, config.HeadSize, config.MaxPositions));
        Assert.Equal(1e-5, config.RmsNormEpsilon);
        Assert.True(config.TieWordEmbeddings);
        Assert.Equal(1, config.BosTokenId);
        Assert.Equal([2], config.EosTokenIds);
        Assert.Null(config.PadTokenId);
        Assert.Null(new DecoderSpec().DifferenceFrom(config.Spec));
        Assert.Empty(config.Labels);
        Assert.Equal("LlamaForCausalLM", config.Architecture);
    }

    [Fact]
    public void What_is_saved_is_loaded_again()
    {
        using var folder = new TemporaryFolder();
        var config = ModelConfig.Load(Stories) with
        {
            HeadSize = 16,
            EosTokenIds = [2, 7],
            PadTokenId = 0,
            Spec = new() { Biases = Biases.Attention | Biases.Mlp, Rotary = new() { Theta = 500_000, Scaling = new RopeScaling("llama3", 8, 1, 4, 256) } },
            Labels = ["harmless", "harmful ✗", "harmless"],
            ProblemType = "multi_label_classification",
            Architecture = "LlamaForSequenceClassification",
        };
        config.Save(folder["new"]);
        var loaded = ModelConfig.Load(folder["new"]);
        Assert.Equal(config.EosTokenIds, loaded.EosTokenIds);
        Assert.Equal(config.Labels, loaded.Labels);
        Assert.Null(config.Spec.DifferenceFrom(loaded.Spec));
        Assert.Equal(config, loaded with { EosTokenIds = config.EosTokenIds, Labels = config.Labels, Spec = config.Spec });
        Assert.Single(Directory.EnumerateFileSystemEntries(folder["new"]));

        // The names and kinds of value that Hugging Face transformers writes.
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["new"], "config.json")))!;
        Assert.Equal("LlamaForSequenceClassification", (string?)json["architectures"]![0]);
        Assert.Equal(8, (int)json["num_attention_heads"]!);
        Assert.Equal("llama3", (string?)json["rope_scaling"]!["rope_type"]);
        Assert.Equal("harmful ✗", (string?)json["id2label"]!["1"]);
    }

    [Fact]
    public void End_tokens_of_the_generation_config_come_first()
    {
        using var folder = new TemporaryFolder();
        Write(folder, json => json["eos_token_id"] = 2);
        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id":[5,6]}""");
        Assert.Equal([5, 6], ModelConfig.Load(folder.Path).EosTokenIds);
        File.WriteAllText(folder["generation_config.json"], """{"do_sample":true}""");
        Assert.Equal([2], ModelConfig.Load(folder.Path).EosTokenIds);
    }

    public static TheoryData<string, string, Func<ModelConfig, object?>, object?> Accepted => new()
    {
        { "num_key_value_heads", "null", config => config.KeyValueHeadCount, 8 },
        { "head_dim", "32", config => config.HeadSize, 32 },
        { "eos_token_id", "[2,3]", config => config.EosTokenIds.Count, 2 },
        { "eos_token_id", "null", config => config.EosTokenIds.Count, 0 },
        { "pad_token_id", "-1", config => config.PadTokenId, null },
        { "pad_token_id", "512", config => config.PadTokenId, null },
        { "hidden_act", "null", config => config.HiddenSize, 64 },
        { "model_type", "\"mistral\"", config => config.ModelType, "mistral" },
        { "sliding_window", "512", config => config.MaxPositions, 512 },
        { "rope_scaling", """{"type":"linear","factor":2}""", config => config.Spec.Rotary.Scaling!.Factor, 2d },
        { "rope_scaling", """{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64}""", config => config.Spec.Rotary.Scaling!.OriginalMaxPositions, 64 },
        { "rope_scaling", """{"rope_type":"default"}""", config => config.Spec.Rotary.Scaling, null },
        { "rope_parameters", """{"rope_type":"default","rope_theta":10000}""", config => config.Spec.Rotary.Scaling, null },
        { "num_labels", "3", config => string.Join(' ', config.Labels), "LABEL_0 LABEL_1 LABEL_2" },
        { "architectures", "[\"LlamaForSequenceClassification\"]", config => config.Labels.Count, 2 },
        { "id2label", """{"1":"b","0":"a"}""", config => string.Join(' ', config.Labels), "a b" },
        { "unknown_field", "{}", config => config.HiddenSize, 64 },
    };

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Variants_are_understood(string field, string value, Func<ModelConfig, object?> read, object? expected)
    {
        using var folder = new TemporaryFolder();
        Write(folder, json => json[field] = JsonNode.Parse(value));
        Assert.Equal(expected, read(ModelConfig.Load(folder.Path)));
    }

    [Theory]
    [InlineData("model_type", "\"gpt2\"")]
    [InlineData("model_type", "null")]
    [InlineData("model_type", "7")]
    [InlineData("hidden_act", "\"gelu\"")]
    [InlineData("quantization_config", """{"quant_method":"gptq"}""")]
    [InlineData("quantization_config", """{"load_in_4bit":true}""")]
    [InlineData("quantization_config", """{"quant_method":"bitsandbytes"}""")]
    [InlineData("quantization_config", "4")]
    [InlineData("sliding_window", "256")]
    [InlineData("partial_rotary_factor", "0.5")]
    [InlineData("rope_scaling", """{"rope_type":"ntk","factor":2}""")]
    [InlineData("rope_scaling", """{"factor":2}""")]
    [InlineData("rope_scaling", """{"type":"linear"}""")]
    [InlineData("rope_scaling", """{"type":"linear","factor":0.5}""")]
    [InlineData("rope_scaling", """{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}""")]
    [InlineData("rope_scaling", "2")]
    [InlineData("rope_theta", "0")]
    [InlineData("rope_theta", "1e999")]
    [InlineData("rms_norm_eps", "-1")]
    [InlineData("vocab_size", "null")]
    [InlineData("vocab_size", "0")]
    [InlineData("hidden_size", "-64")]
    [InlineData("hidden_size", "64.5")]
    [InlineData("hidden_size", "99999999999")]
    [InlineData("hidden_size", "\"64\"")]
    [InlineData("num_attention_heads", "7")]
    [InlineData("num_hidden_layers", "2147483647")]
    [InlineData("head_dim", "1000000")]
    [InlineData("num_key_value_heads", "3")]
    [InlineData("head_dim", "7")]
    [InlineData("tie_word_embeddings", "1")]
    [InlineData("eos_token_id", "512")]
    [InlineData("eos_token_id", "\"</s>\"")]
    [InlineData("bos_token_id", "[1,2]")]
    [InlineData("bos_token_id", "-2")]
    [InlineData("architectures", "\"LlamaForCausalLM\"")]
    [InlineData("id2label", """{"0":"a","2":"b"}""")]
    [InlineData("id2label", """{"zero":"a"}""")]
    [InlineData("id2label", """{"0":1}""")]
    [InlineData("num_labels", "2000000000")]
    [InlineData("problem_type", "\"guess\"")]
    public void What_the_decoder_does_not_compute_is_refused_by_file_and_field(string field, string value)
    {
        using var folder = new TemporaryFolder();
        Write(folder, json => json[field] = JsonNode.Parse(value));
        var e = Assert.Throws<InvalidDataException>(() => ModelConfig.Load(folder.Path));
        Assert.Contains(folder["config.json"], e.Message, StringComparison.Ordinal);
        Assert.Contains(field.StartsWith("rope_sc", StringComparison.Ordinal) ? "rope_scaling" : field, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"model_type\":\"llama\"")]
    [InlineData("{\"model_type\":\"llama\",\"model_type\":\"llama\"}")]
    [InlineData("{\"\\ud800\":1}")]
    public void Damaged_files_are_refused(string text)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], text);
        Assert.Contains(folder["config.json"], Assert.Throws<InvalidDataException>(() => ModelConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_of_more_layers_than_its_weights_have_tensors_is_refused_before_it_is_made()
    {
        using var folder = new TemporaryFolder();
        Write(folder, json => (json["num_hidden_layers"], json["max_position_embeddings"]) = (10_000, int.MaxValue));
        File.Copy(Path.Combine(Stories, "model.safetensors"), folder["model.safetensors"]);
        Assert.Contains("num_hidden_layers is 10000", Assert.Throws<InvalidDataException>(() => CausalLanguageModel.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Positions_that_are_promised_cost_nothing_until_they_are_used()
    {
        using var folder = new TemporaryFolder();
        Write(folder, json => json["max_position_embeddings"] = int.MaxValue);
        File.Copy(Path.Combine(Stories, "model.safetensors"), folder["model.safetensors"]);
        using var model = CausalLanguageModel.Load(folder.Path);
        Assert.Equal(0, model.Decoder.Kinds.RotaryOf(0)!.Bytes);
    }

    [Fact]
    public void Missing_folder_and_missing_file_are_told_apart()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<DirectoryNotFoundException>(() => ModelConfig.Load(folder["nowhere"]));
        Assert.Contains("config.json", Assert.Throws<InvalidDataException>(() => ModelConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static void Write(TemporaryFolder folder, Action<JsonObject> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(Stories, "config.json")))!.AsObject();
        change(json);
        File.WriteAllText(folder["config.json"], json.ToJsonString());
    }
}
