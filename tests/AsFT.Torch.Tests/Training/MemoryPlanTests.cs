using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

public sealed class MemoryPlanTests
{
    private static readonly ModelConfig OneBillion = new()
    {
        VocabularySize = 32000,
        HiddenSize = 2048,
        IntermediateSize = 5632,
        LayerCount = 22,
        HeadCount = 32,
        KeyValueHeadCount = 4,
        HeadSize = 64,
        MaxPositions = 2048,
    };

    private static readonly TrainingOptions Options = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WeightsAndAdapterAreThoseOfTheModel(bool tied)
    {
        var config = TinyLlama.Config with { TieWordEmbeddings = tied };
        using var model = TinyLlama.Create(config);
        var lora = new LoraOptions { Rank = 3, TargetModules = ["all-linear"] };
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), lora, seed: 1);
        var plan = MemoryPlan.Of(config, lora, Options, null, TinyLlama.Placement(), rows: 1, width: 4);
        var rotary = 2 * config.MaxPositions * config.HeadSize;
        Assert.Equal(4 * (model.Weights().Sum(w => w.Value.numel()) + rotary), plan.Weights);
        Assert.Equal(4 * 4 * adapter.Layers.Sum(l => l.A.numel() + l.B.numel()), plan.Adapter);
    }

    [Fact]
    public void CheckpointingKeepsOneLayerInsteadOfAll()
    {
        MemoryPlan Plan(bool checkpointing) => MemoryPlan.Of(OneBillion, new(), Options with { ActivationCheckpointing = checkpointing }, new(), TinyLlama.Placement(), 4, 256);
        var (kept, recomputed) = (Plan(false), Plan(true));
        Assert.Equal(23L * 2048 * 1024 * 4, recomputed.Activations);
        Assert.True(kept.Activations > 15 * recomputed.Activations);
        Assert.True(recomputed.Total < 14L << 30, recomputed.ToString());
        // 1.1 billion weights; one token more or less changes the rest in proportion.
        Assert.InRange(recomputed.Weights / 4, 1_100_000_000, 1_101_000_000);
    }

    [Fact]
    public void LayersBelowTheFirstAdaptedKeepNothing()
    {
        long Kept(string target) => MemoryPlan.Of(OneBillion, new LoraOptions { TargetModules = [target] }, Options, null, TinyLlama.Placement(), 4, 256).Activations;
        Assert.InRange(Kept("model.layers.0.self_attn.q_proj") / (double)Kept("model.layers.11.self_attn.q_proj"), 1.8, 2.2);
        Assert.InRange(Kept("lm_head"), 1, 4L * 1024 * 2048 * 2);
    }

    [Fact]
    public void PenaltyCountsWhatItsFormKeeps()
    {
        long Penalty(AlignmentProjection projection, int? rank = null) => MemoryPlan.Of(OneBillion, new LoraOptions { TargetModules = ["q_proj"] },
            Options with { MeasureAnchoredShare = false }, new AlignmentPenaltyOptions { Projection = projection, SubspaceRank = rank }, TinyLlama.Placement(), 4, 256).Penalty;
        Assert.Equal(0, Penalty(AlignmentProjection.None));
        Assert.Equal(22L * 2048 * 256 * 4, Penalty(AlignmentProjection.Reference));
        Assert.Equal(22L * 2048 * 256 * 4, Penalty(AlignmentProjection.Guard));
        Assert.Equal(22L * 2048 * 64 * 4, Penalty(AlignmentProjection.Subspace, 64));
        Assert.Equal(22L * 2048 * 2048 * 4, Penalty(AlignmentProjection.Flattened));
    }

    [Theory]
    [InlineData("7b", 0.7)]
    [InlineData("70b", 3.3)]
    public void ASpectrumOfLlama2IsSmall(string size, double most)
    {
        var config = ModelConfig.Load(Llama2(size));
        foreach (var projection in new[] { AlignmentProjection.Reference, AlignmentProjection.Guard })
        {
            var plan = MemoryPlan.Of(config, new LoraOptions { TargetModules = ["all-linear"] }, Options, new AlignmentPenaltyOptions { Projection = projection, SpectrumRank = "256", StorageDType = ScalarType.BFloat16 }, TinyLlama.Placement(), 1, 8);
            Assert.InRange(plan.Penalty / (double)(1L << 30), most / 2, most);
            Assert.InRange(plan.Direction, 1, 2L * config.HiddenSize * config.IntermediateSize * sizeof(float));
        }
    }

    [Theory]
    [InlineData("7b", WeightFormat.Nf4, 3.5, 3.7)]
    [InlineData("7b", WeightFormat.Int8, 6.5, 6.7)]
    [InlineData("7b", WeightFormat.Dense, 12.5, 12.7)]
    [InlineData("13b", WeightFormat.Nf4, 6.6, 6.9)]
    [InlineData("13b", WeightFormat.Dense, 24.2, 24.4)]
    [InlineData("70b", WeightFormat.Nf4, 33.5, 34.5)]
    public void WeightsOfLlama2InEachFormat(string size, WeightFormat format, double least, double most) =>
        Assert.InRange(Of(size, format).Weights / (double)(1L << 30), least, most);

    [Fact]
    public void SeventyBillionWeightsInFourBitsAreTrainedOnOneCard()
    {
        var plan = Of("70b", WeightFormat.Nf4);
        Assert.True(plan.Total <= 52L << 30, plan.ToString());
        // Activations are the layers' inputs: 81 × 4096 × 8192 bfloat16.
        Assert.Equal(81L * 4096 * 8192 * 2, plan.Activations);
        Assert.InRange(plan.Dequantized, 2L * 28672 * 8192, 2L * 28672 * 8192 + (96 << 20));
        Assert.InRange(Of("7b", WeightFormat.Nf4).Total, 5L << 30, 12L << 30);
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Nf4)]
    public void AQuantisedModelTakesWhatThePlanSays(WeightFormat format)
    {
        using var folder = new TemporaryFolder();
        using (var model = TinyLlama.Create(TinyLlama.Config with { IntermediateSize = 52 })) model.Save(folder.Path);
        using var quantised = CausalLanguageModel.Load(folder.Path, TinyLlama.Placement(), format);
        var plan = MemoryPlan.Of(quantised.Config, new(), Options, null, TinyLlama.Placement(), rows: 1, width: 4, format: format);
        var rotary = 4 * 2 * quantised.Config.MaxPositions * quantised.Config.HeadSize;
        Assert.Equal(quantised.Weights().Sum(w => 4 * w.Value.numel()) + quantised.Decoder.LinearLayers().Sum(layer => layer.Weight.ByteCount) + rotary, plan.Weights);
        Assert.Equal(4 * 52 * 24, plan.Dequantized);
    }

    private static string Llama2(string size) => Path.Combine(TestData.Root, "configs", $"llama-2-{size}");

    private static MemoryPlan Of(string size, WeightFormat format) => MemoryPlan.Of(ModelConfig.Load(Llama2(size)), new LoraOptions { TargetModules = ["all-linear"] }, Options with { ActivationCheckpointing = true },
        new AlignmentPenaltyOptions { SpectrumRank = "256", StorageDType = ScalarType.BFloat16 }, new(new Device(DeviceType.CUDA, 0), ScalarType.BFloat16), rows: 8, width: 512, format: format);

    [Fact]
    public void AHeadThatLearnsMakesAllLogitsAtOnce()
    {
        MemoryPlan Of(params string[] targets) => MemoryPlan.Of(OneBillion, new LoraOptions { TargetModules = targets }, Options, null, TinyLlama.Placement(), rows: 4, width: 1024);
        Assert.InRange(Of("q_proj").Logits, 0, 1L << 29);
        Assert.InRange(Of("q_proj", "lm_head").Logits, 4L * 4 * 1024 * OneBillion.VocabularySize * sizeof(float), long.MaxValue);
    }

    [Fact]
    public void ARankOfTheSubspaceCountsForThatProjectionAlone()
    {
        long Of(AlignmentProjection projection, int? rank) => MemoryPlan.Of(OneBillion, new LoraOptions(), Options, new AlignmentPenaltyOptions { Projection = projection, SubspaceRank = rank }, TinyLlama.Placement(), rows: 1, width: 8).Penalty;
        Assert.True(Of(AlignmentProjection.Subspace, 8) < Of(AlignmentProjection.Subspace, null));
        Assert.Equal(Of(AlignmentProjection.Reference, null), Of(AlignmentProjection.Reference, 8));
    }

    [Fact]
    public void HalfPrecisionHalvesWhatTheModelHolds()
    {
        MemoryPlan Plan(ComputePlacement placement) => MemoryPlan.Of(OneBillion, new() { Dropout = 0 }, Options, null, placement, 4, 256);
        var (single, half) = (Plan(TinyLlama.Placement()), Plan(new(new Device(DeviceType.CUDA, 0), ScalarType.BFloat16)));
        Assert.Equal(single.Weights, 2 * half.Weights);
        Assert.Equal(single.Activations, 2 * half.Activations);
        Assert.Equal(single.Adapter, half.Adapter);
        Assert.Equal(0, half.Runtime);
        Assert.Equal(0, half.Held);
    }

    [Fact]
    public void TheHeapHoldsWhatIsSmallerThanItsLargestBlock()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "glibc's heap is what is estimated.");
        MemoryPlan Plan(int rows) => MemoryPlan.Of(OneBillion, new(), Options, null, TinyLlama.Placement(), rows, 256);
        // Hidden states of 8 MiB and 22 inside the MLP; 16 and 44; 32 and 88: glibc gives blocks of 32 MiB pages of their own.
        var (all, narrow, none) = (Plan(4), Plan(8), Plan(16));
        Assert.InRange(all.Held, 1, all.Activations + all.Logits);
        Assert.InRange(narrow.Held, 1, 2 * all.Held - 1);
        Assert.Equal(0, none.Held);
        Assert.Equal(all.Weights + all.Adapter + all.Activations + Math.Max(all.Logits, all.Workspace) + all.Held + all.Runtime, all.Total);
    }

    [Fact]
    public void TheMachineTellsWhatItHas()
    {
        var bytes = MachineMemory.Available(CPU);
        Assert.InRange(bytes!.Value, 1L << 26, 1L << 46);
    }
}
