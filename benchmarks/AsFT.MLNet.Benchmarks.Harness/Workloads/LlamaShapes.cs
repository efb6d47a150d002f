using AsFT.Torch.Models;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>Shapes of models, real ones by name.</summary>
internal static class LlamaShapes
{
    /// <summary>A Llama of any width: heads of 64, SwiGLU of 8/3·d rounded up to 256 (to 8 below 256).</summary>
    public static ModelConfig OfWidth(int width, int layers, int vocabulary, int maxPositions = 2048)
    {
        var heads = Math.Max(1, width / 64);
        var multiple = width < 256 ? 8 : 256;
        return new ModelConfig
        {
            VocabularySize = vocabulary,
            HiddenSize = width,
            IntermediateSize = (8 * width / 3 + multiple - 1) / multiple * multiple,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = width / heads,
            MaxPositions = maxPositions,
        };
    }

    /// <summary>stories260K: 260 thousand weights, so small that only the cost of calling shows.</summary>
    public static ModelConfig Stories260K => new()
    {
        VocabularySize = 512,
        HiddenSize = 64,
        IntermediateSize = 172,
        LayerCount = 5,
        HeadCount = 8,
        KeyValueHeadCount = 4,
        HeadSize = 8,
        MaxPositions = 512,
        TieWordEmbeddings = true,
    };

    /// <summary>stories110M, the shape of GPT-2 small.</summary>
    public static ModelConfig Stories110M => new()
    {
        VocabularySize = 32_000,
        HiddenSize = 768,
        IntermediateSize = 2048,
        LayerCount = 12,
        HeadCount = 12,
        KeyValueHeadCount = 12,
        HeadSize = 64,
        MaxPositions = 1024,
        TieWordEmbeddings = true,
    };

    /// <summary>TinyLlama-1.1B; its 22 layers can be fewer.</summary>
    public static ModelConfig TinyLlama(int layers = 22) => new()
    {
        VocabularySize = 32_000,
        HiddenSize = 2048,
        IntermediateSize = 5632,
        LayerCount = layers,
        HeadCount = 32,
        KeyValueHeadCount = 4,
        HeadSize = 64,
        MaxPositions = 2048,
        RmsNormEpsilon = 1e-5,
    };

    /// <summary>Numbers in the weights.</summary>
    public static long ParameterCount(ModelConfig c)
    {
        long queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize, d = c.HiddenSize;
        var layer = 2 * d * queries + 2 * d * keys + 3 * d * c.IntermediateSize + 2 * d;
        return c.LayerCount * layer + d + (c.TieWordEmbeddings ? 1 : 2) * c.VocabularySize * d;
    }
}
