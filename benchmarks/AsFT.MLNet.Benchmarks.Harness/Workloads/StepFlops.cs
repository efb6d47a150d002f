using AsFT.Torch.Models;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>
/// Floating-point operations that a LoRA step cannot do without, a multiplication and an addition counting as two:
/// per token 4 for each frozen weight (output, gradient of the input) and 6 for each number of A and B (the weight's own
/// gradient as well); in attention 2 products forward and 4 backward of the causal half of T × T; the head on supervised
/// positions alone. Left out, though executed: what needs no gradient (q, k and v of the first layer, whose input is
/// frozen, count 2, and A there 4), softmax, norms, SiLU, RoPE, attention's second look at its scores in the backward
/// pass, the penalty, AdamW.
/// </summary>
internal static class StepFlops
{
    /// <summary>Of one step.</summary>
    public static double Count(TrainingShape shape, CausalLanguageModel model, int supervised)
    {
        double tokens = (double)shape.Batch * shape.Sequence, flops = 0;
        foreach (var layer in model.LinearLayers())
        {
            var isHead = layer.Name == "lm_head";
            var isFirst = layer.Name.StartsWith("model.layers.0.self_attn.", StringComparison.Ordinal) && !layer.Name.EndsWith("o_proj", StringComparison.Ordinal);
            flops += (isFirst ? 2 : 4) * (isHead ? supervised : tokens) * layer.InFeatures * layer.OutFeatures;
            if (layer.Adapter is not null) flops += tokens * shape.Rank * ((isFirst ? 4 : 6) * layer.InFeatures + 6 * layer.OutFeatures);
        }
        if (model.Config.TieWordEmbeddings) flops += 4.0 * supervised * model.Config.HiddenSize * model.Config.VocabularySize;
        return flops + 6.0 * model.Config.LayerCount * shape.Batch * shape.Sequence * shape.Sequence * model.Config.HeadCount * model.Config.HeadSize;
    }
}
