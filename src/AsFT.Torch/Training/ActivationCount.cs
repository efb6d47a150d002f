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
internal readonly record struct ActivationCount(NumberCount Kept, NumberCount LargestLayer, NumberCount Passing)
{
    public static ActivationCount Of(ModelConfig config, LoraOptions lora, HashSet<string> adapted)
    {
        long hidden = config.HiddenSize, queries = (long)config.HeadCount * config.HeadSize, keys = (long)config.KeyValueHeadCount * config.HeadSize, inner = config.IntermediateSize;
        NumberCount kept = default, largest = default, passing = default;
        var isReached = false;
        for (var i = 0; i < config.LayerCount; i++)
        {
            bool Has(string part) => adapted.Contains($"model.layers.{i}.{part}");
            bool query = Has("self_attn.q_proj"), key = Has("self_attn.k_proj"), value = Has("self_attn.v_proj"), output = Has("self_attn.o_proj"),
                gate = Has("mlp.gate_proj"), up = Has("mlp.up_proj"), down = Has("mlp.down_proj");
            var attends = isReached || query || key || value;
            var learns = attends || output || gate || up || down;
            // An adapter keeps its input, which layers without dropout share; with it, a mask and a product each.
            long Inputs(long width, params ReadOnlySpan<bool> layers)
            {
                long count = 0;
                foreach (var one in layers) if (one) count++;
                return width * (lora.Dropout > 0 ? 2 * count : Math.Min(count, 1)) + count * lora.Rank;
            }
            // Input of the norm before each branch; query, widened key and value, mixed values; gate, silu(gate), up.
            var layer = new NumberCount(
                (attends ? (isReached ? hidden : 0) + 4 * queries + config.HeadCount : 0) + (attends || output ? hidden : 0)
                    + Inputs(hidden, query, key, value) + (output ? Inputs(queries, true) - (lora.Dropout > 0 ? 0 : queries) : 0) + Inputs(hidden, gate, up),
                3 * inner + Inputs(inner, down));
            // Square, scaled and weighted input of both norms; each projection, its sum with the update, two products of the
            // rotation and its result; the branch's product and the layer's output.
            passing = NumberCount.Larger(passing, new(
                6 * hidden + queries * (3 + (query ? 1 : 0)) + keys * (4 + (key ? 1 : 0)) + keys * (1 + (value ? 1 : 0)) + hidden + (output ? hidden : 0) + (down ? hidden : 0),
                inner + (gate ? inner : 0) + (up ? inner : 0)));
            if (!learns) continue;
            isReached = true;
            kept += layer;
            largest = NumberCount.Larger(largest, layer);
        }
        return new(kept, largest, passing);
    }
}
