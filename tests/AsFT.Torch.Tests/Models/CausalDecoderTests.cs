using AsFT.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models;

public sealed class CausalDecoderTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly CausalLanguageModel _model = TinyLlama.Create();

    public void Dispose()
    {
        _model.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void LaterTokensDoNotChangeEarlierLogits()
    {
        var ids = TinyLlama.RandomIds(12);
        var whole = _model.LogitsOf(TinyLlama.Ids(ids));
        var head = _model.LogitsOf(TinyLlama.Ids(ids[..7]));
        TinyLlama.AssertNear(whole.narrow(1, 0, 7), head);
        ids[3] = (ids[3] + 1) % 40;
        Assert.True(TinyLlama.MaxDifference(_model.LogitsOf(TinyLlama.Ids(ids)).narrow(1, 3, 9), whole.narrow(1, 3, 9)) > 1e-2);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void CacheGivesWhatAPassWithoutCacheGives(int chunk)
    {
        var ids = TinyLlama.RandomIds(24).Chunk(12).ToArray();
        var batch = cat([TinyLlama.Ids(ids[0]), TinyLlama.Ids(ids[1])]);
        var whole = _model.LogitsOf(batch);

        using var cache = new KeyValueCache(_model.Config, _model.Placement, rows: 2, capacity: 12);
        var parts = new List<Tensor>();
        for (var at = 0; at < 12; at += chunk)
            parts.Add(_model.LogitsOf(batch.narrow(1, at, Math.Min(chunk, 12 - at)), cache: cache));
        Assert.Equal(12, cache.Length);
        TinyLlama.AssertNear(whole, cat(parts, 1));
    }

    [Fact]
    public void CacheKeepsTheRowsSelected()
    {
        var ids = Enumerable.Range(0, 3).Select(i => TinyLlama.RandomIds(6, seed: i)).ToArray();
        var batch = cat([.. ids.Select(row => TinyLlama.Ids(row))]);
        using var cache = new KeyValueCache(_model.Config, _model.Placement, rows: 3, capacity: 8);
        _model.LogitsOf(batch.narrow(1, 0, 5), cache: cache);
        cache.SelectRows(tensor(new long[] { 2, 0 }));
        Assert.Equal(2, cache.Rows);
        var step = _model.LogitsOf(cat([TinyLlama.Ids(ids[2][5]), TinyLlama.Ids(ids[0][5])]), cache: cache);
        var whole = _model.LogitsOf(batch).narrow(1, 5, 1).index_select(0, tensor(new long[] { 2, 0 }));
        TinyLlama.AssertNear(whole, step);
    }

    [Fact]
    public void CacheThatIsFullSaysSo()
    {
        using var cache = new KeyValueCache(_model.Config, _model.Placement, rows: 1, capacity: 4);
        _model.LogitsOf(TinyLlama.Ids(1, 2, 3), cache: cache);
        var error = Assert.Throws<InvalidOperationException>(() => _model.LogitsOf(TinyLlama.Ids(1, 2), cache: cache));
        Assert.Contains("4 tokens", error.Message);
        Assert.Contains("5", error.Message);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void PaddingOnEitherSideLeavesRealPositionsAlone(bool left)
    {
        int[] lengths = [3, 9, 1];
        var rows = lengths.Select((length, i) => TinyLlama.RandomIds(length, seed: i)).ToArray();
        var (width, ids, mask) = (9, new long[27], new long[27]);
        for (var n = 0; n < 3; n++)
            for (var t = 0; t < lengths[n]; t++)
            {
                var at = n * width + (left ? width - lengths[n] : 0) + t;
                (ids[at], mask[at]) = (rows[n][t], 1);
            }
        var batch = tensor(ids, [3, width]);
        var layouts = new List<SequenceLayout> { SequenceLayout.FromAttentionMask(tensor(mask, [3, width])) };
        if (!left) layouts.Add(SequenceLayout.RightPadded);
        foreach (var logits in layouts.Select(layout => _model.LogitsOf(batch, layout)))
        {
            Assert.True(logits.isfinite().all().item<bool>());
            for (var n = 0; n < 3; n++)
            {
                var real = logits.narrow(0, n, 1).narrow(1, left ? width - lengths[n] : 0, lengths[n]);
                TinyLlama.AssertNear(_model.LogitsOf(TinyLlama.Ids(rows[n])), real);
            }
        }
    }

    [Fact]
    public void PackedExamplesDoNotSeeEachOther()
    {
        int[] lengths = [4, 1, 7];
        var rows = lengths.Select((length, i) => TinyLlama.RandomIds(length, seed: i)).ToArray();
        var packed = _model.LogitsOf(TinyLlama.Ids([.. rows.SelectMany(row => row)]), SequenceLayout.Packed(lengths, CPU));
        var apart = cat([.. rows.Select(row => _model.LogitsOf(TinyLlama.Ids(row)))], 1);
        TinyLlama.AssertNear(apart, packed);
    }

    public static TheoryData<object> Seeing() =>
    [
        new DecoderSpec { Window = 3 }, new DecoderSpec { Window = 4, LayersWithoutWindow = [1] }, new DecoderSpec { AttentionSoftCap = 2 },
        new DecoderSpec { Window = 3, AttentionSoftCap = 2, LayersWithoutRotary = [0] }, new DecoderSpec { Window = 3, LayersWithoutWindow = [0], WindowRotary = new() { Theta = 50 } },
    ];

    [Theory]
    [MemberData(nameof(Seeing))]
    public void WindowsAndCapsGoByPositionsWhereverTokensLie(object given)
    {
        var spec = (DecoderSpec)given;
        using var model = TinyLlama.Create(TinyLlama.Config with { Spec = spec });
        int[] lengths = [4, 1, 9];
        var rows = lengths.Select((length, i) => TinyLlama.RandomIds(length, seed: i)).ToArray();
        var apart = rows.Select(row => model.LogitsOf(TinyLlama.Ids(row))).ToArray();
        TinyLlama.AssertNear(cat(apart, 1), model.LogitsOf(TinyLlama.Ids([.. rows.SelectMany(row => row)]), SequenceLayout.Packed(lengths, CPU)));
        // Padded on the left.
        var ids = stack([.. rows.Select(row => cat([zeros(9 - row.Length, ScalarType.Int64), tensor(row)]))]);
        var mask = stack([.. lengths.Select(length => arange(9).ge(9 - length))]);
        var padded = model.LogitsOf(ids, SequenceLayout.FromAttentionMask(mask));
        for (var i = 0; i < 3; i++) TinyLlama.AssertNear(apart[i].squeeze(0), padded[i].narrow(0, 9 - lengths[i], lengths[i]));
        // The window itself, by hand: the last token of one layer's attention does not depend on what lies further back.
        if (spec.Window is not { } window || spec.LayersWithoutWindow.Count > 0) return;
        var row2 = rows[2].ToArray();
        var reach = (window - 1) * model.Config.LayerCount;
        for (var t = 0; t < row2.Length - 1 - reach; t++) row2[t] = (row2[t] + 1) % 40;
        TinyLlama.AssertNear(apart[2][0, -1], model.LogitsOf(TinyLlama.Ids(row2))[0, -1]);
        row2[^(1 + reach)] = (row2[^(1 + reach)] + 1) % 40;
        Assert.True(TinyLlama.MaxDifference(apart[2][0, -1], model.LogitsOf(TinyLlama.Ids(row2))[0, -1]) > 1e-6);
    }

    [Fact]
    public void PackedExamplesMayExceedTheModelsPositionsTogether()
    {
        int[] lengths = [40, 40];
        var rows = lengths.Select((length, i) => TinyLlama.RandomIds(length, seed: i)).ToArray();
        var packed = _model.LogitsOf(TinyLlama.Ids([.. rows.SelectMany(row => row)]), SequenceLayout.Packed(lengths, CPU));
        TinyLlama.AssertNear(_model.LogitsOf(TinyLlama.Ids(rows[1])), packed.narrow(1, 40, 40));
    }

    [Fact]
    public void MorePositionsThanTheModelHasAreRefusedWithBothNumbers()
    {
        var ids = zeros([1, 65], ScalarType.Int64);
        foreach (var layout in new[] { SequenceLayout.RightPadded, SequenceLayout.FromAttentionMask(ones_like(ids)), SequenceLayout.Packed([65], CPU) })
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => _model.LogitsOf(ids, layout));
            Assert.Contains("64", error.Message);
            Assert.Contains("65", error.Message);
        }
    }

    [Fact]
    public void SharedKeyValueHeadsEqualHeadsRepeated()
    {
        var grouped = TinyLlama.Create(dtype: ScalarType.Float64);
        using var full = TinyLlama.Create(TinyLlama.Config with { KeyValueHeadCount = 4 }, ScalarType.Float64);
        using (no_grad())
        {
            var source = grouped.named_parameters().ToDictionary(p => p.name, p => p.parameter);
            foreach (var (name, weight) in full.named_parameters())
                weight.copy_(weight.shape.SequenceEqual(source[name].shape)
                    ? source[name]
                    : source[name].view(2, 8, 24).repeat_interleave(2, 0).view(32, 24));
        }
        var ids = TinyLlama.Ids(TinyLlama.RandomIds(10));
        Assert.True(TinyLlama.MaxDifference(grouped.LogitsOf(ids), full.LogitsOf(ids)) < 1e-12);
        grouped.Dispose();
    }

    [Fact]
    public void HeadsMayBeWiderThanTheirShareAndCarryBiases()
    {
        using var model = TinyLlama.Create(TinyLlama.Config with { HeadSize = 16, Spec = new() { Biases = Biases.Attention | Biases.Mlp } });
        Assert.Equal([64L, 24L], model.LinearLayers().First(layer => layer.Name.EndsWith("q_proj", StringComparison.Ordinal)).Weight.Parameter.shape);
        Assert.Equal(14, model.LinearLayers().Count(layer => layer.Bias is not null));
        var ids = TinyLlama.Ids(TinyLlama.RandomIds(10));
        var before = model.LogitsOf(ids);
        using (no_grad()) foreach (var layer in model.LinearLayers()) layer.Bias?.fill_(0.5);
        Assert.True(TinyLlama.MaxDifference(before, model.LogitsOf(ids)) > 1e-3);
    }

    [Fact]
    public void LiveTensorCountIsFlatOverForwardPasses()
    {
        var ids = TinyLlama.Ids(TinyLlama.RandomIds(10));
        _model.LogitsOf(ids).Dispose();
        var before = TinyLlama.LiveTensors;
        for (var i = 0; i < 50; i++) _model.LogitsOf(ids).Dispose();
        Assert.Equal(before, TinyLlama.LiveTensors);
    }
}
