using AsFT.Torch.Adapters;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Training;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

public sealed class DropoutMasksTests
{
    [Fact]
    public void A_mask_follows_from_seed_step_micro_batch_layer_and_place_alone()
    {
        float[] Mask(long seed = 5, int step = 3, int microBatch = 1, int layer = 2, long rows = 7)
        {
            using var masks = new DropoutMasks(0.5, seed);
            // Passes that went before, and others who draw numbers, leave no trace.
            using (NewDisposeScope())
            {
                masks.Dropped(90, 3, 9, CPU);
                manual_seed(rows);
                rand(3);
            }
            masks.MoveTo(step, microBatch);
            using var mask = masks.Dropped(rows, 64, layer, CPU);
            using var numbers = mask.to(ScalarType.Float32);
            return numbers.data<float>().ToArray();
        }
        var mask = Mask();
        Assert.Equal(mask, Mask());
        // More rows change nothing for those that were there.
        Assert.Equal(mask, Mask(rows: 200)[..mask.Length]);
        foreach (var other in new[] { Mask(seed: 6), Mask(step: 4), Mask(microBatch: 2), Mask(layer: 3), Mask(step: 1, microBatch: 3) })
            Assert.InRange(mask.Zip(other).Count(pair => pair.First == pair.Second) / (double)mask.Length, 0.4, 0.6);
    }

    [Fact]
    public void The_bits_are_known_so_that_no_device_and_no_version_may_change_them()
    {
        using var masks = new DropoutMasks(0.25, 42);
        masks.MoveTo(7, 1);
        using var mask = masks.Dropped(3, 24, 4, CPU);
        using var numbers = mask.to(ScalarType.Byte);
        Assert.Equal(["000011001000000101000100", "000000000000000000001000", "001101000100000000000011"], numbers.data<byte>().ToArray().Chunk(24).Select(row => string.Concat(row)));
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void Rows_features_passes_and_layers_agree_no_more_often_than_by_chance(double probability)
    {
        const int Rows = 256, Features = 512;
        using var scope = NewDisposeScope();
        using var masks = new DropoutMasks(probability, 1);
        // Standardised, so that the mean product of two independent ones has a standard deviation of 1/√n.
        Tensor Centred(int step, int layer)
        {
            masks.MoveTo(step, 0);
            return (masks.Dropped(Rows, Features, layer, CPU).to(ScalarType.Float64) - probability) / Math.Sqrt(probability * (1 - probability));
        }
        var mask = Centred(1, 0);
        Assert.InRange(mask.mean().item<double>() * Math.Sqrt(Rows * Features), -5, 5);
        // Products of pairs of rows, and of features, with unit variance where they are independent; the largest of 130,000 lies around 4.5.
        foreach (var x in new[] { mask, mask.t() })
        {
            var products = x.mm(x.t()).tril(-1) / Math.Sqrt(x.shape[1]);
            Assert.InRange(products.abs().max().item<double>(), 3, 9);
            Assert.InRange(products.pow(2).sum().item<double>() / (x.shape[0] * (x.shape[0] - 1) / 2), 0.95, 1.05);
        }
        // The four corners of a rectangle share both their rows' and both their features' numbers.
        var corners = mask.narrow(0, 0, Rows / 2) * mask.narrow(0, Rows / 2, Rows / 2);
        var four = corners.narrow(1, 0, Features / 2) * corners.narrow(1, Features / 2, Features / 2);
        Assert.InRange(four.mean().item<double>() * Math.Sqrt(four.numel()), -5, 5);
        foreach (var other in new[] { Centred(2, 0), Centred(1, 1), Centred(0, 0) })
            Assert.InRange((mask * other).mean().item<double>() * Math.Sqrt(Rows * Features), -5, 5);
    }

    [Fact]
    public void What_is_kept_makes_up_for_what_is_dropped()
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create();
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2, Dropout = 0.4, TargetModules = ["q_proj"] }, seed: 1);
        var layer = adapter.Layers[0];
        using var _ = no_grad();
        layer.B.normal_(0, 1);
        var input = randn(1, 4000, layer.Target.InFeatures);
        var whole = layer.Target.forward(input);
        var bare = nn.functional.linear(input, layer.Target.Weight.Parameter);
        adapter.Train(true);
        var mean = zeros_like(whole);
        const int Steps = 64;
        for (var step = 0; step < Steps; step++)
        {
            adapter.SeedDropout(step, 0);
            mean += (layer.Target.forward(input) - bare) / Steps;
        }
        var update = whole - bare;
        // Over many masks the update is the one without dropout, regressed on which it has slope 1.
        Assert.Equal(1, ((mean * update).sum() / (update * update).sum()).item<float>(), 0.02);
    }

    [Fact]
    public async Task Gradients_with_and_without_checkpointing_are_equal_while_others_draw_and_seed()
    {
        using var stop = new CancellationTokenSource();
        var disturber = Task.Run(() =>
        {
            for (var i = 0L; !stop.IsCancellationRequested; i++)
            {
                manual_seed(i);
                using var drawn = rand(5);
            }
        }, TestContext.Current.CancellationToken);
        (float[] Bits, double Loss) Train(bool checkpointing)
        {
            using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
            using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4, Dropout = 0.3, TargetModules = ["all-linear"] }, seed: 2);
            var options = SmallRun.Options with { PenaltyWeight = 0, MicroBatchSize = 2, ActivationCheckpointing = checkpointing };
            var result = new FineTuner(model, adapter, null, options).Train(SmallRun.Examples(11, 5), cancellationToken: TestContext.Current.CancellationToken);
            return ([.. adapter.Layers.SelectMany(layer => layer.B.detach().data<float>().ToArray())], result.CrossEntropy);
        }
        var (kept, again, recomputed) = (Train(false), Train(false), Train(true));
        await stop.CancelAsync();
        await disturber;
        foreach (var other in new[] { again, recomputed })
        {
            Assert.Equal(kept.Bits, other.Bits);
            Assert.Equal(kept.Loss, other.Loss);
        }
    }

    [Fact]
    public void Training_with_dropout_leaves_the_global_generator_alone()
    {
        manual_seed(11);
        using var expected = rand(4);
        manual_seed(11);
        SmallRun.Train(SmallRun.Options, dropout: 0.3);
        using var drawn = rand(4);
        Assert.True(expected.equal(drawn).all().item<bool>());
    }
}
