using AsFT.Torch.Adapters;
using AsFT.Torch.Generation;
using AsFT.Torch.Generation.Cpu;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime.Cpu;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Generation.Cpu;

public sealed class CpuDecoderTests
{
    // A step of the decoder behind a prompt against libtorch's.
    private static void AssertStepsAgree(CausalLanguageModel model, long capacity = 64)
    {
        if (!NarrowProduct.IsSupported) Assert.Skip("No vectors of 256 bits here.");
        Assert.True(CpuDecoder.Handles(model, capacity));
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var prompts = stack([tensor(TinyLlama.RandomIds(6, 1)), tensor(TinyLlama.RandomIds(6, 2)), tensor(TinyLlama.RandomIds(6, 3))]);
        using var cache = new KeyValueCache(model.Config, model.Placement, 3, 8);
        using var ours = new KeyValueCache(model.Config, model.Placement, 3, 8);
        model.LogitsOf(prompts, cache: cache);
        model.LogitsOf(prompts, cache: ours);
        using var decoder = new CpuDecoder(model, ours);
        for (var step = 0; step < 2; step++)
        {
            long[] ids = [5 + step, 6, 7];
            var expected = model.LogitsOf(tensor(ids).view(3, 1), cache: cache).squeeze(1);
            decoder.Step(ids, [6, 6, 6], [6 + step, 6 + step, 6 + step], 6);
            TinyLlama.AssertNear(expected, decoder.Logits(), 1e-4);
            Assert.Equal(expected.argmax(-1).data<long>().ToArray(), decoder.Likeliest());
        }
        Assert.Throws<InvalidOperationException>(() => decoder.Step([1, 2, 3], [6, 6, 6], [8, 8, 8], 6));
    }

    [Fact]
    public void StepsAreThoseOfTheModel()
    {
        using var model = TinyLlama.Create();
        AssertStepsAgree(model);
    }

    [Fact]
    public void BiasesTiedEmbeddingsAndOddWidthsArePartOfIt()
    {
        using var model = TinyLlama.Create(TinyLlama.Config with { Spec = new() { Biases = Biases.Attention | Biases.Mlp }, TieWordEmbeddings = true, VocabularySize = 43, IntermediateSize = 53 });
        using (no_grad())
            foreach (var (name, parameter) in model.named_parameters())
                if (name.EndsWith(".bias", StringComparison.Ordinal)) parameter.fill_(0.3);
        AssertStepsAgree(model);
    }

    [Fact]
    public void SeveralThreadsGiveTheSame()
    {
        // 32 MiB of weights: as many threads as libtorch has, four at most.
        using var model = TinyLlama.Create(TinyLlama.Config with { HiddenSize = 512, HeadSize = 32, HeadCount = 16, KeyValueHeadCount = 8, IntermediateSize = 2052 });
        using (no_grad())
            foreach (var (_, weight) in model.named_parameters()) if (weight.dim() == 2) weight.mul_(0.2);
        AssertStepsAgree(model);
    }

    [Fact]
    public void AdaptersArePartOfIt()
    {
        using var model = TinyLlama.Create();
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 3, TargetModules = ["q_proj", "v_proj", "down_proj", "gate_proj"] }, seed: 1);
        using (no_grad())
            foreach (var layer in adapter.Layers) layer.B.normal_(0, 0.5);
        adapter.Train(false);
        AssertStepsAgree(model);
        // It knows no dropout.
        adapter.Train(true);
        Assert.False(CpuDecoder.Handles(model, 64));
    }

    [Theory]
    [InlineData(WeightFormat.Int8, 48)]
    // Rows of 53 numbers: blocks and vectors end within them.
    [InlineData(WeightFormat.Int8, 53)]
    [InlineData(WeightFormat.Nf4, 48)]
    [InlineData(WeightFormat.Nf4, 53)]
    public void QuantisedWeightsAreReadAsTheyAreHeld(WeightFormat format, int inner)
    {
        using var folder = new TemporaryFolder();
        using (var dense = TinyLlama.Create(TinyLlama.Config with { IntermediateSize = inner })) dense.Save(folder.Path);
        using var model = CausalLanguageModel.Load(folder.Path, TinyLlama.Placement(), format);
        AssertStepsAgree(model);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 3, TargetModules = ["all-linear"] }, seed: 1);
        using (no_grad())
            foreach (var layer in adapter.Layers) layer.B.normal_(0, 0.5);
        adapter.Train(false);
        AssertStepsAgree(model);
    }

    [Fact]
    public void OtherFormatsAreLeftToLibtorch()
    {
        using var model = TinyLlama.Create(dtype: ScalarType.Float64);
        Assert.False(CpuDecoder.Handles(model, 64));
    }

    public static TheoryData<object> NotComputed() =>
    [
        new DecoderSpec { Norm = NormKind.OnePlusWeight }, new DecoderSpec { NormPlacement = NormPlacement.After }, new DecoderSpec { NormPlacement = NormPlacement.BeforeAndAfter },
        new DecoderSpec { QueryKeyNorm = QueryKeyNorm.PerHead }, new DecoderSpec { QueryKeyNorm = QueryKeyNorm.Whole }, new DecoderSpec { Gate = GateActivation.GeluTanh },
        new DecoderSpec { IsQueryKeyValueFused = true }, new DecoderSpec { IsGateUpFused = true }, new DecoderSpec { Rotary = new() { Share = 0.5 } }, new DecoderSpec { LayersWithoutRotary = [1] },
        new DecoderSpec { Window = 7 }, new DecoderSpec { Window = 8, WindowRotary = new() { Theta = 3 } }, new DecoderSpec { AttentionSoftCap = 5 }, new DecoderSpec { LogitSoftCap = 5 },
        new DecoderSpec { AttentionScale = 0.2 }, new DecoderSpec { EmbeddingScale = 2 }, new DecoderSpec { ResidualScale = 0.5 }, new DecoderSpec { LogitDivisor = 2 },
    ];

    [Theory]
    [MemberData(nameof(NotComputed))]
    public void WhatItDoesNotComputeIsLeftToLibtorch(object given)
    {
        var spec = (DecoderSpec)given;
        using var model = TinyLlama.Create(TinyLlama.Config with { Spec = spec });
        Assert.False(CpuDecoder.Handles(model, 8));
        // And so the answers are the model's.
        var ids = TinyLlama.RandomIds(5, 1);
        var answer = new TextGenerator(model, new LetterTokenizer(40)).Generate([[.. ids.Select(id => (int)id)]], new GenerationOptions { MaxNewTokens = 6 })[0].Ids;
        using var scope = NewDisposeScope();
        foreach (var id in answer)
        {
            Assert.Equal(id, model.LogitsOf(TinyLlama.Ids(ids))[0, -1].argmax().item<long>());
            ids = [.. ids, id];
        }
    }

    [Fact]
    public void ScaledPositionsBiasesOfSomeLayersAndAWindowThatHidesNothingArePartOfIt()
    {
        using var model = TinyLlama.Create(TinyLlama.Config with
        {
            Spec = new()
            {
                Biases = Biases.Query | Biases.Value,
                Window = 8,
                LayersWithoutWindow = [1],
                DecoderName = "language_model.model",
                HeadName = "language_model.lm_head",
                Rotary = new() { Scaling = new RopeScaling("yarn", 4, OriginalMaxPositions: 4) { Magnitude = 1.2 } },
            },
        });
        using (no_grad())
            foreach (var (name, parameter) in model.named_parameters())
                if (name.EndsWith(".bias", StringComparison.Ordinal)) parameter.fill_(0.3);
        AssertStepsAgree(model, capacity: 8);
        Assert.False(CpuDecoder.Handles(model, 9));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.9, 1)]
    [InlineData(0, 1.4)]
    public void LookingAtTokensSeldomGivesTheSameAnswers(double temperature, double penalty)
    {
        using var model = TinyLlama.Create();
        int[][] prompts = [.. new[] { 7, 1, 12, 7, 3, 60 }.Select((length, i) => TinyLlama.RandomIds(length, i).Select(id => (int)id).ToArray())];
        var options = new GenerationOptions { MaxNewTokens = 21, Temperature = temperature, RepetitionPenalty = penalty };
        TextGenerator Generator(int steps) => new(model, new LetterTokenizer(40, 3, 8, 11)) { StepsPerRead = steps };
        var expected = Generator(1).Generate(prompts, options);
        Assert.Equal(expected.Select(a => (a.Text, a.FinishReason)), Generator(4).Generate(prompts, options).Select(a => (a.Text, a.FinishReason)));
        Assert.True(expected.Select(a => a.Ids.Count).Distinct().Count() > 2, "The case is too easy.");
    }
}
