using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>Shapes of 1.1 billion weights as other families have them, as the <c>config.json</c> that their own readers take.</summary>
internal static class FamilyShapes
{
    /// <summary>Qwen2: biases on q, k and v, few key-value heads, tied embeddings of 152 thousand tokens; 18 layers, or fewer.</summary>
    public static string Qwen2(int? layers = null) => $$"""
        {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5504, "num_hidden_layers": {{layers ?? 18}},
         "num_attention_heads": 16, "num_key_value_heads": 2, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "hidden_act": "silu", "tie_word_embeddings": true, "use_sliding_window": false}
        """;

    /// <summary>Gemma 2: four norms a layer, capped scores and logits, windows in every other layer, tied embeddings of 256 thousand tokens; 9 layers, or fewer.</summary>
    public static string Gemma2(int? layers = null) => $$"""
        {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "vocab_size": 256000, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": {{layers ?? 9}},
         "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_activation": "gelu_pytorch_tanh",
         "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 4096}
        """;

    /// <summary>Writes a config and reads it back.</summary>
    public static ModelConfig Write(string folder, string config)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        return ModelConfig.Load(folder);
    }

    /// <summary>Numbers in the weights.</summary>
    public static long NumberCount(ModelConfig config)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLanguageModel.Layout(config);
        return model.Weights().Sum(weight => weight.Value.numel());
    }
}
