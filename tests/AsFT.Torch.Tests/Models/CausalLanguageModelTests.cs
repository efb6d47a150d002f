using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models;

public sealed class CausalLanguageModelTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NamesOfWeightsAreTheCheckpoints(bool tied)
    {
        using var model = TinyLlama.Create(TinyLlama.Config with { LayerCount = 1, TieWordEmbeddings = tied });
        string[] expected =
        [
            "model.embed_tokens.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
            "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
            "model.layers.0.post_attention_layernorm.weight",
            "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
            "model.norm.weight",
            .. tied ? Array.Empty<string>() : ["lm_head.weight"],
        ];
        Assert.Equal(expected.Order(), model.Weights().Select(w => w.Key).Order());
        Assert.Equal(expected.Where(name => name.Contains("proj") || name.Contains("lm_head")),
            model.LinearLayers().Select(layer => $"{layer.Name}.weight"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void LogitsAreTheHiddenStatesTimesTheHead(bool tied)
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create(TinyLlama.Config with { TieWordEmbeddings = tied }, ScalarType.Float64);
        var head = model.Weights().Single(w => w.Key == (tied ? "model.embed_tokens.weight" : "lm_head.weight")).Value;
        var hidden = model.Hidden(TinyLlama.Ids(3, 1, 4), SequenceLayout.RightPadded);
        Assert.Equal([1L, 3L, 24L], hidden.shape);
        // Only of the position asked for.
        var logits = model.Logits(hidden.narrow(1, 1, 1));
        Assert.Equal([1L, 1L, 40L], logits.shape);
        Assert.True(TinyLlama.MaxDifference(hidden.narrow(1, 1, 1).matmul(head.t()), logits) < 1e-12);
    }

    [Theory]
    [InlineData(1, true, "model.layers.1.")]
    [InlineData(2, false, "model.layers.0.self_attn.k_proj.bias")]
    public void Weights_of_layers_that_the_config_has_no_place_for_are_refused(int layers, bool hasBiases, string name)
    {
        using var folder = new TemporaryFolder();
        var biased = TinyLlama.Config with { Spec = TinyLlama.Config.Spec with { Biases = Biases.Attention } };
        using (var model = TinyLlama.Create(biased)) model.Save(folder.Path);
        (biased with { LayerCount = layers, Spec = hasBiases ? biased.Spec : TinyLlama.Config.Spec }).Save(folder.Path);
        Assert.Contains(name, Assert.Throws<InvalidDataException>(() => CausalLanguageModel.Load(folder.Path, TinyLlama.Placement())).Message, StringComparison.Ordinal);
        Assert.Contains(name, Assert.Throws<InvalidDataException>(() => SequenceClassifier.FromDecoder(folder.Path, ["a", "b"], "single_label_classification", TinyLlama.Placement())).Message, StringComparison.Ordinal);
        using var checkpoint = ModelCheckpoint.Open(folder.Path);
        Assert.Contains(CheckpointFit.Check(ModelConfig.Load(folder.Path), checkpoint).Problems, problem => problem.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public void Tables_of_rotary_positions_in_old_files_are_left_alone()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyLlama.Create();
        TinyLlama.Config.Save(folder.Path);
        using (var table = ones(4))
            ModelCheckpoint.Save(folder.Path, model.Weights().Append(KeyValuePair.Create("model.layers.0.self_attn.rotary_emb.inv_freq", table)));
        using var loaded = CausalLanguageModel.Load(folder.Path, TinyLlama.Placement());
        Assert.Equal(model.Weights().Count(), loaded.Weights().Count());
    }

    [Fact]
    public void SameSeedSameWeightsInEveryFormat()
    {
        using var a = TinyLlama.Create(seed: 7);
        using var b = TinyLlama.Create(seed: 7);
        using var wide = TinyLlama.Create(seed: 7, dtype: ScalarType.Float64);
        using var other = TinyLlama.Create(seed: 8);
        foreach (var ((name, x), (_, y)) in a.Weights().Zip(b.Weights(), (p, q) => ((p.Key, p.Value), (q.Key, q.Value))))
            Assert.True(TinyLlama.MaxDifference(x, y) == 0, name);
        var (q, qWide, qOther) = (First(a), First(wide), First(other));
        Assert.True(TinyLlama.MaxDifference(q, qWide) < 1e-6);
        Assert.True(TinyLlama.MaxDifference(q, qOther) > 1e-2);

        static Tensor First(CausalLanguageModel model) => model.LinearLayers().First().Weight.Parameter;
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-4)]
    [InlineData(ScalarType.BFloat16, 0.5)]
    public void NarrowFormatsStayNearFloat64(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var exact = TinyLlama.Create(dtype: ScalarType.Float64);
        using var model = TinyLlama.Create(dtype: dtype);
        var ids = TinyLlama.Ids(TinyLlama.RandomIds(16));
        var logits = model.LogitsOf(ids);
        Assert.Equal(dtype, logits.dtype);
        Assert.InRange(TinyLlama.MaxDifference(exact.LogitsOf(ids), logits), 1e-12, tolerance);
    }

    [Fact]
    public void ModelMadeInADisposeScopeOutlivesIt()
    {
        CausalLanguageModel model;
        using (NewDisposeScope()) model = TinyLlama.Create();
        using var scope = NewDisposeScope();
        Assert.True(model.LogitsOf(TinyLlama.Ids(1, 2)).isfinite().all().item<bool>());
        model.Dispose();
    }

    [Fact]
    public void EveryWeightGetsAFiniteGradientWhenAskedFor()
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create();
        Assert.All(model.parameters(), weight => Assert.False(weight.requires_grad));
        foreach (var weight in model.parameters()) weight.requires_grad = true;

        var ids = tensor(TinyLlama.RandomIds(24), [2, 12]);
        var logits = model.Logits(model.Hidden(ids, SequenceLayout.RightPadded));
        nn.functional.cross_entropy(logits.narrow(1, 0, 11).reshape(-1, 40), ids.narrow(1, 1, 11).reshape(-1)).backward();

        foreach (var (name, weight) in model.named_parameters())
        {
            Assert.True(weight.grad is not null, name);
            Assert.True(weight.grad.isfinite().all().item<bool>(), name);
            Assert.True(weight.grad.abs().max().item<float>() > 0, name);
        }
    }

    [Fact]
    public void GradientsAreThoseOfFiniteDifferences()
    {
        using var scope = NewDisposeScope();
        using var model = TinyLlama.Create(dtype: ScalarType.Float64);
        foreach (var weight in model.parameters()) weight.requires_grad = true;
        var ids = tensor(TinyLlama.RandomIds(16), [2, 8]);
        Tensor Loss() => nn.functional.cross_entropy(
            model.Logits(model.Hidden(ids, SequenceLayout.RightPadded)).narrow(1, 0, 7).reshape(-1, 40), ids.narrow(1, 1, 7).reshape(-1));
        Loss().backward();

        const double Step = 1e-6;
        foreach (var (name, weight) in model.named_parameters())
        {
            // Along the gradient itself the slope is its norm.
            var direction = weight.grad!.detach() / weight.grad.norm();
            double At(double distance)
            {
                using var _ = no_grad();
                weight.add_(direction * distance);
                var loss = Loss().item<double>();
                weight.sub_(direction * distance);
                return loss;
            }
            var slope = (At(Step) - At(-Step)) / (2 * Step);
            var norm = weight.grad.norm().item<double>();
            Assert.True(Math.Abs(slope - norm) <= 1e-5 * Math.Max(1, norm), $"{name}: {slope} against {norm}");
        }
    }
}
