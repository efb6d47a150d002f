using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

public sealed class HeadLossTests
{
    public static TheoryData<bool, ScalarType, long, double> Cases() => new()
    {
        { false, ScalarType.Float64, long.MaxValue, 1e-12 },
        { true, ScalarType.Float64, long.MaxValue, 1e-12 },
        // Chunks of one, two and seven rows of 40 numbers.
        { false, ScalarType.Float64, 1, 1e-12 },
        { true, ScalarType.Float64, 2 * 40 * 8, 1e-12 },
        { false, ScalarType.Float32, 7 * 40 * 4, 1e-5 },
        { true, ScalarType.BFloat16, 7 * 40 * 4, 2e-2 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void LossAndGradientAreAutogradsOwn(bool tied, ScalarType dtype, long chunkBytes, double tolerance) => AssertAutograds(new(), tied, dtype, chunkBytes, tolerance);

    [Theory]
    [MemberData(nameof(Cases))]
    public void LossAndGradientGoThroughACapAndADivisorOfTheLogits(bool tied, ScalarType dtype, long chunkBytes, double tolerance)
    {
        AssertAutograds(new() { LogitSoftCap = 1.5 }, tied, dtype, chunkBytes, tolerance);
        AssertAutograds(new() { LogitDivisor = 4, LogitSoftCap = 0.8 }, tied, dtype, chunkBytes, tolerance);
    }

    private static void AssertAutograds(DecoderSpec spec, bool tied, ScalarType dtype, long chunkBytes, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create(TinyLlama.Config with { TieWordEmbeddings = tied, Spec = spec }, dtype);
        var hidden = (randn(3, 8, 24, ScalarType.Float64, generator: new Generator(5)) * 2).to(dtype);
        var (predictors, labels) = (tensor(new long[] { 0, 1, 2, 5, 8, 9, 13, 14, 20, 22 }), tensor(new long[] { 3, 3, 39, 0, 7, 11, 3, 25, 8, 1 }));

        var expected = hidden.clone();
        expected.requires_grad = true;
        var logits = model.Logits(expected.view(-1, 24).index_select(0, predictors));
        var loss = nn.functional.cross_entropy(dtype == ScalarType.BFloat16 ? logits.to(ScalarType.Float32) : logits, labels, reduction: nn.Reduction.Sum);
        loss.backward();

        var actual = hidden.clone();
        actual.requires_grad = true;
        var bound = Math.Min(chunkBytes, HeadLoss.ChunkBytes);
        TinyLlama.AssertNear(loss.detach(), HeadLoss.Backward(model, actual, predictors, labels, bound), tolerance);
        TinyLlama.AssertNear(expected.grad!, actual.grad!, tolerance);
        TinyLlama.AssertNear(loss.detach(), HeadLoss.Value(model, hidden, predictors, labels, bound), tolerance);
    }

    [Fact]
    public void LogitsOfAnySizeGiveAFiniteLoss()
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create();
        var hidden = randn(1, 4, 24, generator: new Generator(5)) * 1e4;
        hidden.requires_grad = true;
        var loss = HeadLoss.Backward(model, hidden, tensor(new long[] { 0, 1, 2 }), tensor(new long[] { 1, 2, 3 }));
        Assert.True(double.IsFinite(loss.item<float>()));
        Assert.True(hidden.grad!.isfinite().all().item<bool>());
    }
}
