using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Families;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>What families differ in, on their tiny checkpoints.</summary>
[Trait("Category", "Goldens")]
public sealed class FamilyFeatureTests
{
    public static TheoryData<string> Names() => FamilyFolder.Names();

    // Every feature that needs no weights of its own, and how a model without it would be.
    private static readonly (string Name, Func<DecoderSpec, bool> Has, Func<DecoderSpec, DecoderSpec> Without)[] Free =
    [
        ("norms of 1 + w", spec => spec.Norm == NormKind.OnePlusWeight, spec => spec with { Norm = NormKind.Weight }),
        ("gate of GELU", spec => spec.Gate != GateActivation.Silu, spec => spec with { Gate = GateActivation.Silu }),
        ("scaled rotary", spec => spec.Rotary.Scaling is not null, spec => spec with { Rotary = spec.Rotary with { Scaling = null } }),
        ("two rotary bases", spec => spec.WindowRotary is not null, spec => spec with { WindowRotary = null }),
        ("layers without rotary", spec => spec.LayersWithoutRotary.Count > 0, spec => spec with { LayersWithoutRotary = [] }),
        ("window", spec => spec.Window is not null, spec => spec with { Window = null }),
        ("layers without window", spec => spec.LayersWithoutWindow.Count > 0, spec => spec with { LayersWithoutWindow = [] }),
        ("capped scores", spec => spec.AttentionSoftCap is not null, spec => spec with { AttentionSoftCap = null }),
        ("capped logits", spec => spec.LogitSoftCap is not null, spec => spec with { LogitSoftCap = null }),
        ("query scale", spec => spec.AttentionScale is { } scale && Math.Abs(scale - 1 / Math.Sqrt(24)) > 1e-3, spec => spec with { AttentionScale = null }),
        ("embedding scale", spec => spec.EmbeddingScale != 1, spec => spec with { EmbeddingScale = 1 }),
        ("residual scale", spec => spec.ResidualScale != 1, spec => spec with { ResidualScale = 1 }),
        ("divided logits", spec => spec.LogitDivisor != 1, spec => spec with { LogitDivisor = 1 }),
    ];

    // Those that have weights or names of their own, without which no checkpoint would fit.
    private static readonly (string Name, Func<DecoderSpec, bool> Has)[] Structural =
    [
        ("biases", spec => spec.Biases != Biases.None), ("norms of queries and keys", spec => spec.QueryKeyNorm != QueryKeyNorm.None),
        ("norms behind", spec => spec.NormPlacement != NormPlacement.Before), ("fused projections", spec => spec.IsQueryKeyValueFused), ("partial rotary", spec => spec.Rotary.Share != 1),
        ("names of a multimodal model", spec => spec.DecoderName != "model"),
    ];

    [Fact]
    public void The_readmes_table_is_made_of_what_is_tested()
    {
        // The packed families: a folder from outside may hold others.
        var tested = FamilyFolder.PackedNames().Select(name =>
        {
            using var family = FamilyFolder.Open(name);
            var config = ModelConfig.Load(family["aligned"]);
            return (config.ModelType, Features: Free.Where(f => f.Has(config.Spec)).Select(f => f.Name).Concat(Structural.Where(f => f.Has(config.Spec)).Select(f => f.Name)).ToList());
        }).ToLookup(family => family.ModelType, family => family.Features);
        var table = ModelFamily.ModelTypes.Select(type =>
        {
            Assert.NotEmpty(tested[type]);
            var features = tested[type].SelectMany(f => f).Distinct().Order(StringComparer.Ordinal).ToList();
            return $"| `{type}` | {ModelFamily.Find(type)!.Models} | {(features.Count == 0 ? "–" : string.Join(", ", features))} |";
        });
        var expected = string.Join('\n', table);
        Assert.True(File.ReadAllText(Path.Combine(TestData.Root, "..", "..", "README.md")).ReplaceLineEndings("\n").Contains(expected, StringComparison.Ordinal), $"README.md lacks:\n{expected}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_feature_left_out_shows_in_the_logits(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var checkpoint = ModelCheckpoint.Open(family["aligned"]);
        var config = ModelConfig.Load(family["aligned"]);
        foreach (var (feature, _, without) in Free.Where(feature => feature.Has(config.Spec)))
        {
            using var model = new CausalLanguageModel(config with { Spec = without(config.Spec) }, TinyLlama.Placement(), new CheckpointWeights(checkpoint, config, TinyLlama.Placement()));
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
    public void Half_precision_computes_and_learns_the_same(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement(ScalarType.BFloat16));
        using var exact = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        var ids = TinyLlama.Ids([.. family.Rows[^1].Select(id => (long)id)]);
        var (expected, actual) = (exact.LogitsOf(ids), model.LogitsOf(ids).to(ScalarType.Float32));
        Assert.InRange((expected - actual).norm().item<float>() / expected.norm().item<float>(), 0, 0.05);

        using var adapter = LoraAdapter.Load(model.LinearLayers(), family["adapter"]);
        using var same = LoraAdapter.Load(exact.LinearLayers(), family["adapter"]);
        foreach (var one in new[] { model, exact }) nn.functional.cross_entropy(one.Logits(one.Hidden(ids, SequenceLayout.RightPadded))[0, ..^1].to(ScalarType.Float32), ids[0, 1..]).backward();
        foreach (var (half, full) in adapter.Layers.Zip(same.Layers))
            Assert.InRange((half.A.grad! - full.A.grad!).norm().item<float>() / full.A.grad!.norm().item<float>(), 0, 0.2);
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
        using var layout = CausalLanguageModel.Layout(config);
        Assert.Equal(model.Weights().Select(weight => (weight.Key, weight.Value.numel())), layout.Weights().Select(weight => (weight.Key, weight.Value.numel())));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_plan_counts_every_layer_that_an_adapter_may_sit_on(string name)
    {
        using var family = FamilyFolder.Open(name);
        var config = ModelConfig.Load(family["aligned"]);
        MemoryPlan Plan(string target) => MemoryPlan.Of(config, new LoraOptions { Rank = 1, TargetModules = [target] }, new TrainingOptions(), null, TinyLlama.Placement(), rows: 4, width: 64);
        using var layout = CausalLanguageModel.Layout(config);
        foreach (var suffix in layout.LinearLayers().Select(layer => layer.Name[(layer.Name.LastIndexOf('.') + 1)..]).Distinct().Where(suffix => suffix != "lm_head"))
        {
            // A layer that the count of activations did not know would keep nothing.
            Assert.True(Plan(suffix).Activations > 4 * 64 * config.HiddenSize * 4L * config.LayerCount, suffix);
            Assert.True(Plan(suffix).Adapter > 0);
        }
    }
}
