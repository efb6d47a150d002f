using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models;

/// <summary>Small random models; their weights are larger than a fresh model's, so that attention is far from uniform.</summary>
internal static class TinyLlama
{
    public static readonly ModelConfig Config = new()
    {
        VocabularySize = 40,
        HiddenSize = 24,
        IntermediateSize = 48,
        LayerCount = 2,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 8,
        MaxPositions = 64,
    };

    public static ComputePlacement Placement(ScalarType dtype = ScalarType.Float32) => new(CPU, dtype);

    public static CausalLanguageModel Create(ModelConfig? config = null, ScalarType dtype = ScalarType.Float32, long seed = 1)
    {
        var model = CausalLanguageModel.Create(config ?? Config, Placement(dtype), seed);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (_, weight) in model.named_parameters())
            if (weight.dim() == 2) weight.mul_(20);
        return model;
    }

    /// <summary>Logits of every position, (N × T × V).</summary>
    public static Tensor LogitsOf(this CausalLanguageModel model, Tensor ids, SequenceLayout? layout = null, KeyValueCache? cache = null)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return model.Logits(model.Hidden(ids, layout ?? SequenceLayout.RightPadded, cache)).MoveToOuterDisposeScope();
    }

    public static Tensor Ids(params long[] ids) => tensor(ids).unsqueeze(0);

    public static long[] RandomIds(int count, int seed = 0, int vocabulary = 40)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (long)random.Next(vocabulary))];
    }

    /// <summary>Tensors of this thread that nothing has disposed; other tests run beside this one.</summary>
    public static long LiveTensors => DisposeScopeManager.Statistics.ThreadTotalLiveCount;

    /// <summary>Asserts equality up to a share of the larger number's magnitude.</summary>
    public static void AssertNear(Tensor expected, Tensor actual, double tolerance = 1e-5)
    {
        var bound = tolerance * Math.Max(1, expected.abs().max().to(ScalarType.Float64).item<double>());
        var difference = MaxDifference(expected, actual);
        Assert.True(difference <= bound, $"The tensors differ by {difference}; allowed is {bound}.");
    }

    public static double MaxDifference(Tensor a, Tensor b)
    {
        Assert.Equal(a.shape, b.shape);
        using var scope = NewDisposeScope();
        return (a.to(ScalarType.Float64) - b.to(ScalarType.Float64)).abs().max().item<double>();
    }
}
