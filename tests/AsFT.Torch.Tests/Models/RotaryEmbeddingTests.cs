using AsFT.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models;

public sealed class RotaryEmbeddingTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void FeaturePairsAHalfApartTurnByPositionTimesFrequency()
    {
        using var rotary = new RotaryEmbedding(new() { Theta = 500 }, 8, 64, TinyLlama.Placement(ScalarType.Float64));
        var x = randn([1, 3, 2, 8], ScalarType.Float64);
        var (cos, sin) = rotary.Range(first: 5, count: 3);
        var turned = RotaryEmbedding.Rotate(x, cos, sin);
        for (var t = 0; t < 3; t++)
            for (var head = 0; head < 2; head++)
                for (var i = 0; i < 4; i++)
                {
                    var angle = (5 + t) * Math.Pow(500, -2.0 * i / 8);
                    var (a, b) = (x[0, t, head, i].item<double>(), x[0, t, head, i + 4].item<double>());
                    Assert.Equal(a * Math.Cos(angle) - b * Math.Sin(angle), turned[0, t, head, i].item<double>(), 1e-12);
                    Assert.Equal(b * Math.Cos(angle) + a * Math.Sin(angle), turned[0, t, head, i + 4].item<double>(), 1e-12);
                }
    }

    [Fact]
    public void PositionsByTensorAreTheSameTable()
    {
        using var rotary = new RotaryEmbedding(new(), 8, 64, TinyLlama.Placement());
        var (cos, sin) = rotary.Range(0, 64);
        var (cosAt, sinAt) = rotary.At(tensor(new long[] { 7, 0, 63, 2 }, [2, 2]), 64);
        Assert.Equal([2L, 2L, 1L, 8L], cosAt.shape);
        Assert.True(cosAt[1, 0].equal(cos[63]).all().item<bool>());
        Assert.True(sinAt[0, 0].equal(sin[7]).all().item<bool>());
    }

    [Fact]
    public void The_table_grows_with_use_and_what_was_handed_out_stays()
    {
        using var rotary = new RotaryEmbedding(new(), 8, int.MaxValue, TinyLlama.Placement());
        Assert.Equal(0, rotary.Bytes);
        var (cos, _) = rotary.Range(100, 5);
        var before = cos.data<float>().ToArray();
        var small = rotary.Bytes;
        var (later, _) = rotary.Range(100, 1000);
        Assert.InRange(rotary.Bytes, small + 1, 2 * 4 * 8 * 2048);
        Assert.Equal(before, cos.data<float>().ToArray());
        Assert.Equal(before, later.narrow(0, 0, 5).data<float>().ToArray());
    }

    [Fact]
    public void LinearScalingDividesPositions()
    {
        var placement = TinyLlama.Placement(ScalarType.Float64);
        using var plain = new RotaryEmbedding(new(), 8, 64, placement);
        using var scaled = new RotaryEmbedding(new() { Scaling = new RopeScaling("linear", 4) }, 8, 64, placement);
        Assert.True(TinyLlama.MaxDifference(plain.Range(5, 1).Cos, scaled.Range(20, 1).Cos) < 1e-12);
        Assert.True(TinyLlama.MaxDifference(plain.Range(5, 1).Sin, scaled.Range(20, 1).Sin) < 1e-12);
    }

    [Fact]
    public void Llama3ScalingKeepsShortWavesStretchesLongOnesAndBlendsBetween()
    {
        // Llama 3.1's own numbers, with its head size.
        var scaling = new RopeScaling("llama3", Factor: 8, LowFrequencyFactor: 1, HighFrequencyFactor: 4, OriginalMaxPositions: 8192);
        using var rotary = new RotaryEmbedding(new() { Theta = 500_000, Scaling = scaling }, 128, 64, TinyLlama.Placement(ScalarType.Float64));
        var angles = atan2(rotary.Range(1, 1).Sin.narrow(-1, 64, 64), rotary.Range(1, 1).Cos.narrow(-1, 64, 64)).data<double>().ToArray();
        var (kept, blended, stretched) = (0, 0, 0);
        for (var i = 0; i < 64; i++)
        {
            var plain = Math.Pow(500_000, -2.0 * i / 128);
            var wavelength = 2 * Math.PI / plain;
            double expected;
            if (wavelength < 8192 / 4.0) (expected, kept) = (plain, kept + 1);
            else if (wavelength > 8192 / 1.0) (expected, stretched) = (plain / 8, stretched + 1);
            else
            {
                // Linear in 8192 / wavelength, from factor 8 at 1 to factor 1 at 4.
                var share = (8192 / wavelength - 1) / 3;
                (expected, blended) = (plain * (share + (1 - share) / 8), blended + 1);
            }
            Assert.Equal(expected, angles[i], 1e-12 + 1e-9 * expected);
        }
        Assert.Equal((29, 6, 29), (kept, blended, stretched));
    }
}
