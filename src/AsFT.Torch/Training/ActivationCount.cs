using AsFT.Torch.Adapters;
using AsFT.Torch.Models;

namespace AsFT.Torch.Training;

/// <summary>Numbers per token that a forward pass of the frozen decoder makes, as its layers count them.</summary>
/// <param name="Kept">Kept for the gradient by all layers together.</param>
/// <param name="LargestLayer">Kept by the layer that keeps most.</param>
/// <param name="Passing">Made by a layer beside what it keeps; gone when the layer is done.</param>
/// <param name="DropoutMasks">Bytes of dropout masks that all layers together keep.</param>
/// <param name="LargestDropoutMasks">Those of the layer that keeps most.</param>
internal readonly record struct ActivationCount(NumberCount Kept, NumberCount LargestLayer, NumberCount Passing, long DropoutMasks, long LargestDropoutMasks)
{
    /// <param name="decoder">The decoder; it may lie on the meta device.</param>
    /// <param name="lora">The adapter.</param>
    /// <param name="adapted">Full names of the adapted layers.</param>
    /// <param name="length">Tokens a row.</param>
    public static ActivationCount Of(CausalDecoder decoder, LoraOptions lora, IReadOnlySet<string> adapted, long length)
    {
        NumberCount kept = default, largest = default, passing = default;
        long masks = 0, largestMasks = 0;
        var isReached = false;
        foreach (var layer in decoder.Layers)
        {
            var count = new PassCount(adapted, lora.Rank, lora.Dropout > 0, length, isReached);
            layer.Count(count);
            passing = NumberCount.Larger(passing, count.Passing);
            // Nothing goes back further than the first layer that learns.
            if (!count.IsReached) continue;
            isReached = true;
            kept += count.Kept;
            largest = NumberCount.Larger(largest, count.Kept);
            masks += count.DropoutMasks;
            largestMasks = Math.Max(largestMasks, count.DropoutMasks);
        }
        return new(kept, largest, passing, masks, largestMasks);
    }

    /// <summary>Numbers in the masks of a pass: one for each window that hides something, and one where the kernel that knows what causal means is not used.</summary>
    public static long Masks(ModelConfig config, long length) => length * length * Enumerable.Range(0, config.LayerCount)
        .Select(i => config.Spec.WindowOf(i) is { } window && window < length ? window : 0).Distinct()
        .Count(window => window > 0 || config.Spec.AttentionSoftCap is not null);
}
