using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>What families differ in, on their tiny checkpoints.</summary>
[Trait("Category", "Goldens")]
public sealed class FamilyFeatureTests
{
    public static TheoryData<string> Names() => FamilyFolder.Names();

    // Every feature that needs no weights of its own, and how a model without it would be.
    private static readonly (string Name, Func<DecoderSpec, bool> Has, Func<DecoderSpec, DecoderSpec> Without)[] Features =
    [
        ("norms", spec => spec.Norm == NormKind.OnePlusWeight, spec => spec with { Norm = NormKind.Weight }),
        ("gate", spec => spec.Gate != GateActivation.Silu, spec => spec with { Gate = GateActivation.Silu }),
        ("scaling", spec => spec.Rotary.Scaling is not null, spec => spec with { Rotary = spec.Rotary with { Scaling = null } }),
        ("second base", spec => spec.WindowRotary is not null, spec => spec with { WindowRotary = null }),
        ("missing rotary", spec => spec.LayersWithoutRotary.Count > 0, spec => spec with { LayersWithoutRotary = [] }),
        ("window", spec => spec.Window is not null, spec => spec with { Window = null }),
        ("full layers", spec => spec.LayersWithoutWindow.Count > 0, spec => spec with { LayersWithoutWindow = [] }),
        ("cap of scores", spec => spec.AttentionSoftCap is not null, spec => spec with { AttentionSoftCap = null }),
        ("cap of logits", spec => spec.LogitSoftCap is not null, spec => spec with { LogitSoftCap = null }),
        ("query scale", spec => spec.AttentionScale is { } scale && Math.Abs(scale - 1 / Math.Sqrt(24)) > 1e-3, spec => spec with { AttentionScale = null }),
        ("embedding scale", spec => spec.EmbeddingScale != 1, spec => spec with { EmbeddingScale = 1 }),
        ("residual scale", spec => spec.ResidualScale != 1, spec => spec with { ResidualScale = 1 }),
        ("logit divisor", spec => spec.LogitDivisor != 1, spec => spec with { LogitDivisor = 1 }),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_feature_left_out_shows_in_the_logits(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var checkpoint = ModelCheckpoint.Open(family["aligned"]);
        var config = ModelConfig.Load(family["aligned"]);
        foreach (var (feature, _, without) in Features.Where(feature => feature.Has(config.Spec)))
        {
            using var model = new CausalLanguageModel(config with { Spec = without(config.Spec) }, TinyLlama.Placement(), WeightSources.FromCheckpoint(checkpoint, TinyLlama.Placement()));
            var most = Enumerable.Range(0, family.Rows.Count).Max(i =>
            {
                var expected = family.Tensors.Read($"logits.{i}");
                var logits = model.LogitsOf(TinyLlama.Ids([.. family.Rows[i].Select(id => (long)id)])).squeeze(0);
                return TinyLlama.MaxDifference(expected, logits.narrow(0, logits.shape[0] - expected.shape[0], expected.shape[0]));
            });
            Assert.True(most > 1e-3, $"Without its {feature} the logits differ by {most} only.");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Names_shapes_and_counts_are_the_checkpoints(string name)
    {
        using var family = FamilyFolder.Open(name);
        using var checkpoint = ModelCheckpoint.Open(family["aligned"]);
        var config = ModelConfig.Load(family["aligned"]);
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        Assert.All(model.Weights(), weight => Assert.Equal(checkpoint.Entries[weight.Key].Shape, weight.Value.shape));
        // What is left over belongs to the vision tower.
        Assert.All(checkpoint.Entries.Keys.Except(model.Weights().Select(weight => weight.Key)), key => Assert.Matches("^(vision_tower|multi_modal_projector)", key));
        Assert.Empty(CheckpointFit.Check(config, checkpoint).Problems);
        Assert.Equal(model.Weights().Sum(weight => weight.Value.numel()), ModelShapes.Of(config).ParameterCount);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_plan_counts_every_layer_that_an_adapter_may_sit_on(string name)
    {
        using var family = FamilyFolder.Open(name);
        var config = ModelConfig.Load(family["aligned"]);
        MemoryPlan Plan(string target) => MemoryPlan.Of(config, new LoraOptions { Rank = 1, TargetModules = [target] }, new TrainingOptions(), null, TinyLlama.Placement(), rows: 4, width: 64);
        foreach (var suffix in ModelShapes.Of(config).Linear.Select(layer => layer.Name[(layer.Name.LastIndexOf('.') + 1)..]).Distinct().Where(suffix => suffix != "lm_head"))
        {
            // A layer that the count of activations did not know would keep nothing.
            Assert.True(Plan(suffix).Activations > 4 * 64 * config.HiddenSize * 4L * config.LayerCount, suffix);
            Assert.True(Plan(suffix).Adapter > 0);
        }
    }
}
