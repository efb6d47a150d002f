using AsFT.Torch.Models;

namespace AsFT.Torch.Training;

/// <summary>One linear layer of a model that need not exist.</summary>
/// <param name="Name">Full name.</param>
/// <param name="Out">d_out.</param>
/// <param name="In">d_in.</param>
/// <param name="HasBias">Whether it has a bias.</param>
internal readonly record struct LayerShape(string Name, long Out, long In, bool HasBias)
{
    /// <summary>All linear layers of a causal language model, in its order; a head of its own included.</summary>
    public static IReadOnlyList<LayerShape> All(ModelConfig config)
    {
        long hidden = config.HiddenSize, queries = (long)config.HeadCount * config.HeadSize, keys = (long)config.KeyValueHeadCount * config.HeadSize, inner = config.IntermediateSize;
        var layers = new List<LayerShape>();
        for (var i = 0; i < config.LayerCount; i++)
        {
            var (attention, mlp) = ($"model.layers.{i}.self_attn.", $"model.layers.{i}.mlp.");
            layers.Add(new(attention + "q_proj", queries, hidden, config.AttentionBias));
            layers.Add(new(attention + "k_proj", keys, hidden, config.AttentionBias));
            layers.Add(new(attention + "v_proj", keys, hidden, config.AttentionBias));
            layers.Add(new(attention + "o_proj", hidden, queries, config.AttentionBias));
            layers.Add(new(mlp + "gate_proj", inner, hidden, config.MlpBias));
            layers.Add(new(mlp + "up_proj", inner, hidden, config.MlpBias));
            layers.Add(new(mlp + "down_proj", hidden, inner, config.MlpBias));
        }
        if (!config.TieWordEmbeddings) layers.Add(new("lm_head", config.VocabularySize, hidden, false));
        return layers;
    }
}
