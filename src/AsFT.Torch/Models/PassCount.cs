namespace AsFT.Torch.Models;

/// <summary>Numbers per token in tensors of two widths.</summary>
/// <param name="Narrow">In tensors about as wide as the hidden states.</param>
/// <param name="Wide">In tensors as wide as the MLP inside.</param>
internal readonly record struct NumberCount(long Narrow, long Wide)
{
    public long All => Narrow + Wide;

    public static NumberCount operator +(NumberCount x, NumberCount y) => new(x.Narrow + y.Narrow, x.Wide + y.Wide);

    public static NumberCount Larger(NumberCount x, NumberCount y) => x.All >= y.All ? x : y;
}

/// <summary>Numbers per token that a forward pass of one layer of a frozen decoder makes; the layer's parts count their own, beside what they compute.</summary>
/// <param name="adapted">Full names of the adapted layers.</param>
/// <param name="rank">Rank of the adapter.</param>
/// <param name="hasDropout">Whether adapters drop features of their input.</param>
/// <param name="length">Tokens a row.</param>
/// <param name="isReached">Whether a gradient goes back into the layer's input.</param>
internal sealed class PassCount(IReadOnlySet<string> adapted, int rank, bool hasDropout, long length, bool isReached)
{
    /// <summary>Tokens a row.</summary>
    public long Length => length;

    /// <summary>Whether a gradient goes through what was counted so far.</summary>
    public bool IsReached { get; private set; } = isReached;

    /// <summary>Kept for the gradient.</summary>
    public NumberCount Kept { get; private set; }

    /// <summary>Made beside what is kept; gone when the layer is done.</summary>
    public NumberCount Passing { get; private set; }

    /// <summary>Bytes of dropout masks.</summary>
    public long DropoutMasks { get; private set; }

    /// <summary>Whether a layer is there and has an adapter.</summary>
    public bool IsAdapted(LinearLayer? layer) => layer is not null && adapted.Contains(layer.Name);

    /// <summary>Counts adapters on layers that read the same input, which keep it and what A makes of it. Without dropout they share it; with it, each keeps its own and a byte of mask for each number.</summary>
    /// <param name="isKept">Whether the input is kept anyway.</param>
    /// <param name="isWide">Whether it is as wide as the MLP inside.</param>
    /// <param name="layers">The layers; null: not there.</param>
    /// <returns>Whether one is adapted.</returns>
    public bool Adapters(bool isKept, bool isWide, params ReadOnlySpan<LinearLayer?> layers)
    {
        long count = 0, width = 0;
        foreach (var layer in layers)
        {
            if (!IsAdapted(layer)) continue;
            count++;
            width = layer!.InFeatures;
        }
        if (count == 0) return false;
        IsReached = true;
        if (hasDropout) DropoutMasks += width * count;
        var inputs = width * (hasDropout ? count : isKept ? 0 : 1);
        Keep(isWide ? count * rank : inputs + count * rank, isWide ? inputs : 0);
        return true;
    }

    /// <summary>Counts what is kept.</summary>
    public void Keep(long narrow, long wide = 0) => Kept += new NumberCount(narrow, wide);

    /// <summary>Counts what comes and goes.</summary>
    public void Pass(long narrow, long wide = 0) => Passing += new NumberCount(narrow, wide);
}
