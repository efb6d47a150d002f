using AsFT.Torch.Adapters;
using AsFT.Torch.Models;

namespace AsFT.Torch.Training;

/// <summary>Numbers per token in tensors of two widths.</summary>
/// <param name="Narrow">In tensors about as wide as the hidden states.</param>
/// <param name="Wide">In tensors as wide as the MLP inside.</param>
internal readonly record struct NumberCount(long Narrow, long Wide)
{
    public long All => Narrow + Wide;

    public static NumberCount operator +(NumberCount x, NumberCount y) => new(x.Narrow + y.Narrow, x.Wide + y.Wide);

    public static NumberCount Larger(NumberCount x, NumberCount y) => x.All >= y.All ? x : y;
}

/// <summary>Numbers per token that a forward pass of the frozen decoder makes; follows DecoderLayer operation by operation.</summary>
/// <param name="Kept">Kept for the gradient by all layers together.</param>
/// <param name="LargestLayer">Kept by the layer that keeps most.</param>
/// <param name="Passing">Made by a layer beside what it keeps; gone when the layer is done.</param>
/// <param name="DropoutMasks">Bytes of dropout masks that all layers together keep.</param>
/// <param name="LargestDropoutMasks">Those of the layer that keeps most.</param>
internal readonly record struct ActivationCount(NumberCount Kept, NumberCount LargestLayer, NumberCount Passing, long DropoutMasks, long LargestDropoutMasks)
{
    /// <param name="config">The model's shape.</param>
    /// <param name="lora">The adapter.</param>
    /// <param name="adapted">Full names of the adapted layers.</param>
    /// <param name="length">Tokens a row.</param>
    public static ActivationCount Of(ModelConfig config, LoraOptions lora, HashSet<string> adapted, long length)
    {
        var spec = config.Spec;
        long hidden = config.HiddenSize, queries = (long)config.HeadCount * config.HeadSize, keys = (long)config.KeyValueHeadCount * config.HeadSize, inner = config.IntermediateSize;
        bool isBefore = spec.NormPlacement != NormPlacement.After, isBehind = spec.NormPlacement != NormPlacement.Before, hasHeadNorms = spec.QueryKeyNorm != QueryKeyNorm.None;
        // Scores that are capped are made in full, and tanh and softmax keep what they give.
        var scores = spec.AttentionSoftCap is null ? 0 : config.HeadCount * length;
        NumberCount kept = default, largest = default, passing = default;
        long masks = 0, largestMasks = 0;
        var isReached = false;
        for (var i = 0; i < config.LayerCount; i++)
        {
            bool Has(string part) => adapted.Contains($"{spec.DecoderName}.layers.{i}.{part}");
            bool query = Has("self_attn.q_proj"), key = Has("self_attn.k_proj"), value = Has("self_attn.v_proj"), all = Has("self_attn.qkv_proj"), output = Has("self_attn.o_proj"),
                gate = Has("mlp.gate_proj"), up = Has("mlp.up_proj"), both = Has("mlp.gate_up_proj"), down = Has("mlp.down_proj");
            var attends = isReached || query || key || value || all;
            var mixes = attends || output;
            var learns = mixes || gate || up || both || down;
            // An adapter keeps its input, which layers without dropout share; with it, each keeps its own and a byte of mask for each number.
            long ownMasks = 0;
            long Inputs(long width, params ReadOnlySpan<bool> layers)
            {
                long count = 0;
                foreach (var one in layers) if (one) count++;
                if (lora.Dropout > 0) ownMasks += width * count;
                return width * (lora.Dropout > 0 ? count : Math.Min(count, 1)) + count * lora.Rank;
            }
            // Input of each norm; query, widened key and value, mixed values; gate, its activation, up.
            var layer = new NumberCount(
                (attends ? (isReached && isBefore ? hidden : 0) + (hasHeadNorms ? queries + keys : 0) + 4 * queries + config.HeadCount + 2 * scores : 0)
                    + (mixes ? (isBehind ? hidden : 0) + (isBefore ? hidden : 0) : 0) + (isBehind ? hidden : 0)
                    + Inputs(hidden, query, key, value, all) + (output ? Inputs(queries, true) - (lora.Dropout > 0 ? 0 : queries) : 0) + Inputs(hidden, gate, up, both),
                3 * inner + Inputs(inner, down));
            // Square, scaled and weighted input of the norms; each projection, its sum with the update, two products of the
            // rotation and its result; the branch's product and the layer's output.
            passing = NumberCount.Larger(passing, new(
                (isBefore && isBehind ? 12 : 6) * hidden + queries * (3 + (query || all ? 1 : 0)) + keys * (4 + (key || all ? 1 : 0)) + keys * (1 + (value || all ? 1 : 0)) + hidden
                    + (output ? hidden : 0) + (down ? hidden : 0) + (hasHeadNorms ? 3 * (queries + keys) : 0) + 3 * scores,
                inner + (gate ? inner : 0) + (up ? inner : 0) + (both ? 2 * inner : 0)));
            if (!learns) continue;
            isReached = true;
            kept += layer;
            largest = NumberCount.Larger(largest, layer);
            masks += ownMasks;
            largestMasks = Math.Max(largestMasks, ownMasks);
        }
        return new(kept, largest, passing, masks, largestMasks);
    }

    /// <summary>Numbers in the masks of a pass: one for each window that hides something, and one where the kernel that knows what causal means is not used.</summary>
    public static long Masks(ModelConfig config, long length) => length * length * Enumerable.Range(0, config.LayerCount)
        .Select(i => config.Spec.WindowOf(i) is { } window && window < length ? window : 0).Distinct()
        .Count(window => window > 0 || config.Spec.AttentionSoftCap is not null);
}
