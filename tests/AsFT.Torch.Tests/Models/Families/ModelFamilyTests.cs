using System.Text.Json.Nodes;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Families;
using AsFT.Torch.Tests.Checkpoints;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>What a family reads out of <c>config.json</c>, its defaults, and what it refuses.</summary>
public sealed class ModelFamilyTests
{
    private const string Sizes = """ "vocab_size": 320, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 8 """;

    private static ModelConfig Read(string modelType, string fields = "\"x\": 0")
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], $$"""{ "model_type": "{{modelType}}", {{Sizes}}, {{fields}} }""");
        return ModelConfig.Load(folder.Path);
    }

    [Fact]
    public void Fields_that_are_missing_are_the_familys()
    {
        Assert.Equal((8, 8, 2048, false, 1e-6), Sizes(Read("llama")));
        Assert.Equal((8, 8, 131_072, false, 1e-6), Sizes(Read("mistral")));
        Assert.Equal((8, 8, 32_768, false, 1e-6), Sizes(Read("qwen2", "\"num_key_value_heads\": null")));
        Assert.Equal((4, 128, 32_768, false, 1e-6), Sizes(Read("qwen3", "\"num_key_value_heads\": 4")));
        Assert.Equal((8, 256, 8192, true, 1e-6), Sizes(Read("gemma", "\"num_key_value_heads\": 8")));
        Assert.Equal((4, 256, 8192, true, 1e-6), Sizes(Read("gemma2")));
        Assert.Equal((8, 8, 4096, false, 1e-5), Sizes(Read("phi3")));
        Assert.Equal((4, 8, 32_768, true, 1e-6), Sizes(Read("smollm3")));
        Assert.Equal((8, 8, 2048, false, 1e-5), Sizes(Read("olmo2")));
        Assert.Equal(4096, Read("mistral").Spec.Window);
        Assert.Null(Read("mistral", "\"sliding_window\": null").Spec.Window);
        Assert.Equal((50, 30, 4096), (Read("gemma2").Spec.AttentionSoftCap, Read("gemma2").Spec.LogitSoftCap, Read("gemma2").Spec.Window));
        Assert.Null(Read("gemma2", "\"attn_logit_softcapping\": null").Spec.AttentionSoftCap);
        Assert.Equal([3], Read("smollm3").Spec.LayersWithoutRotary);
        Assert.Equal(1, Read("granite").Spec.AttentionScale);
        Assert.Null(Read("qwen2", "\"num_key_value_heads\": 8, \"sliding_window\": 128").Spec.Window);

        static (int, int, int, bool, double) Sizes(ModelConfig config) => (config.KeyValueHeadCount, config.HeadSize, config.MaxPositions, config.TieWordEmbeddings, config.RmsNormEpsilon);
    }

    // The fields that google/gemma-3-4b-it has.
    [Fact]
    public void A_multimodal_file_that_names_little_is_the_4B_model()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], """
            { "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "eos_token_id": [1, 106], "image_token_index": 262144,
              "text_config": { "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
                               "rope_scaling": { "factor": 8.0, "rope_type": "linear" }, "sliding_window": 1024 },
              "vision_config": { "hidden_size": 1152, "model_type": "siglip_vision_model" } }
            """);
        var config = ModelConfig.Load(folder.Path);
        Assert.Equal((262_208, 2560, 34, 8, 4, 256, 131_072, true), (config.VocabularySize, config.HiddenSize, config.LayerCount, config.HeadCount, config.KeyValueHeadCount,
            config.HeadSize, config.MaxPositions, config.TieWordEmbeddings));
        Assert.Equal([1, 106], config.EosTokenIds);
        Assert.Equal((1_000_000, 8), (config.Spec.Rotary.Theta, config.Spec.Rotary.Scaling!.Factor));
        Assert.Equal((10_000, null), (config.Spec.WindowRotary!.Theta, config.Spec.WindowRotary.Scaling));
        Assert.Equal((1024, null, 1024), (config.Spec.WindowOf(4), config.Spec.WindowOf(5), config.Spec.WindowOf(6)));
        Assert.Equal("language_model.model", config.Spec.DecoderName);
    }

    [Fact]
    public void Sequences_may_be_as_long_as_a_scaling_makes_them()
    {
        Assert.Equal(131_072, Read("qwen2", """ "num_key_value_heads": 8, "rope_scaling": { "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 } """).MaxPositions);
        Assert.Equal(4096, Read("llama", """ "rope_scaling": { "type": "dynamic", "factor": 2.0 } """).MaxPositions);
        Assert.Equal(2048, Read("llama", """ "rope_scaling": { "type": "linear", "factor": 2.0 } """).MaxPositions);
    }

    [Fact]
    public void A_window_that_hides_nothing_is_none_but_keeps_its_layers_rotary_positions()
    {
        Assert.Null(Read("mistral", "\"sliding_window\": 131072").Spec.Window);
        var gemma = Read("gemma3_text", "\"sliding_window\": 131072, \"sliding_window_pattern\": 2").Spec;
        Assert.Equal((10_000, 1_000_000), (gemma.RotaryOf(0)!.Theta, gemma.RotaryOf(1)!.Theta));
        // Scaled, sequences grow beyond the positions that were trained, and beyond the window.
        Assert.Equal(4096, Read("mistral", """ "max_position_embeddings": 4096, "rope_scaling": { "type": "yarn", "factor": 4 } """).Spec.Window);
    }

    [Theory]
    [InlineData("gemma3_text", "use_bidirectional_attention", "true")]
    [InlineData("gemma", "hidden_activation", "\"relu\"")]
    [InlineData("gemma2", "layer_types", """["full_attention", "chunked_attention", "full_attention", "full_attention"]""")]
    [InlineData("gemma2", "layer_types", """["full_attention"]""")]
    [InlineData("gemma2", "attn_logit_softcapping", "-1")]
    [InlineData("qwen3", "hidden_act", "\"gelu\"")]
    [InlineData("mistral", "partial_rotary_factor", "0.5")]
    [InlineData("phi3", "partial_rotary_factor", "0.4")]
    [InlineData("phi3", "partial_rotary_factor", "2")]
    [InlineData("phi3", "rope_scaling", """{ "type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1, 1, 1] }""")]
    [InlineData("phi3", "rope_scaling", """{ "type": "longrope", "short_factor": [1, 1, 1, 1] }""")]
    [InlineData("phi3", "rope_scaling", """{ "type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1, 0] }""")]
    [InlineData("olmo2", "rope_parameters", """{ "full_attention": { "rope_theta": 1 } }""")]
    [InlineData("llama", "rope_scaling", """{ "type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2 }""")]
    [InlineData("smollm3", "no_rope_layers", "[1, 0]")]
    [InlineData("smollm3", "no_rope_layers", "[1, 0, 2, 1]")]
    [InlineData("granite", "logits_scaling", "0")]
    [InlineData("gemma3", "text_config", "null")]
    public void What_a_family_does_not_know_is_refused_by_name(string modelType, string field, string value)
    {
        var e = Assert.Throws<InvalidDataException>(() => Read(modelType, $"\"num_key_value_heads\": 8, \"{field}\": {value}"));
        Assert.Contains(field.StartsWith("rope", StringComparison.Ordinal) ? "rope_" : field, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_family_is_refused_with_the_known_ones() =>
        Assert.All(ModelFamily.ModelTypes, type => Assert.Contains(type, Assert.Throws<InvalidDataException>(() => Read("mamba")).Message, StringComparison.Ordinal));

    [Fact]
    public void What_a_familys_file_has_no_field_for_is_not_written()
    {
        using var folder = new TemporaryFolder();
        var e = Assert.Throws<InvalidOperationException>(() => (TinyLlama.Config with { Spec = new() { LogitSoftCap = 30 } }).Save(folder["new"]));
        Assert.Contains(nameof(DecoderSpec.LogitSoftCap), e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["new"]));
    }

    [Fact]
    public void A_classifier_on_any_family_has_its_familys_class()
    {
        using var family = FamilyFolder.Open("qwen3");
        using var folder = new TemporaryFolder();
        using (var classifier = SequenceClassifier.FromDecoder(family["aligned"], ["harmless", "harmful"], "single_label_classification", TinyLlama.Placement())) classifier.Save(folder["new"]);
        Assert.Equal("Qwen3ForSequenceClassification", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(folder["new"], "config.json")))!["architectures"]![0]);
        using var again = SequenceClassifier.Load(folder["new"], TinyLlama.Placement());
        Assert.Equal(2, again.Score.OutFeatures);
    }
}
