using AsFT.Torch.Models.Weights;

namespace AsFT.Torch.Models;

/// <summary>
/// How a model holds the weights of its decoder's linear layers while they are frozen. Embeddings, norms, biases and the head stay as
/// they are in every format, as bitsandbytes has it.
/// </summary>
public enum WeightFormat
{
    /// <summary>As the checkpoint holds them, in the format that is computed in: 2 bytes a number in bfloat16. What a checkpoint stores quantised stays so.</summary>
    Dense,
    /// <summary>8 bits, and one scale a row: 1 byte a number. LLM.int8's detour for columns of large inputs is not taken: inputs stay in the format of the model, and no product is rounded to integers.</summary>
    Int8,
    /// <summary>4 bits of NormalFloat, blocks of 64, whose maxima are quantised again, as in QLoRA (Dettmers et al., arXiv 2305.14314): 0.52 bytes a number.</summary>
    Nf4,
}

/// <summary>Sizes of the formats.</summary>
internal static class WeightFormats
{
    /// <summary>Bytes of a matrix, scales included.</summary>
    /// <param name="format">How it is held.</param>
    /// <param name="rows">d_out.</param>
    /// <param name="columns">d_in.</param>
    /// <param name="size">Bytes of a number of a dense one.</param>
    public static long BytesOf(this WeightFormat format, long rows, long columns, long size) => format switch
    {
        WeightFormat.Int8 => rows * columns + sizeof(float) * rows,
        WeightFormat.Nf4 => Nf4Matrix.BytesOf(rows * columns),
        _ => rows * columns * size,
    };
}
