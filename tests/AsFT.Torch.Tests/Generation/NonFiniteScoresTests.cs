using AsFT.Torch.Adapters;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Training;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Generation;

public sealed class NonFiniteScoresTests
{
    private static void Set(CausalLanguageModel model, string weight, float value)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        model.named_parameters().Single(p => p.name == weight).parameter.view(-1)[5].fill_(value);
    }

    private static string Refused(CausalLanguageModel model, GenerationOptions options, int stepsPerRead = 1) =>
        Assert.Throws<NonFiniteScoresException>(() => new TextGenerator(model, new LetterTokenizer(40)) { StepsPerRead = stepsPerRead }.Generate([[1, 2, 3], [7, 8]], options)).Message;

    [Theory]
    [InlineData("model.embed_tokens", "model.embed_tokens.weight", float.NaN)]
    [InlineData("model.layers.0", "model.layers.0.self_attn.o_proj.weight", float.PositiveInfinity)]
    [InlineData("model.layers.1", "model.layers.1.mlp.down_proj.weight", float.NaN)]
    [InlineData("model.norm", "model.norm.weight", float.NegativeInfinity)]
    [InlineData("lm_head", "lm_head.weight", float.NaN)]
    public void The_layer_that_first_shows_them_is_named_with_its_damaged_weight(string part, string weight, float value)
    {
        using var model = TinyLlama.Create();
        Set(model, weight, value);
        // The first embedding row holds the value; every sequence below begins with that token.
        foreach (var options in new GenerationOptions[] { new(), new() { Temperature = 1 }, new() { Temperature = 1, TopK = 3 }, new() { Temperature = 1, TopP = 0.5 }, new() { RepetitionPenalty = 1.3 } })
            foreach (var stepsPerRead in new[] { 1, 8 })
            {
                var message = Assert.Throws<NonFiniteScoresException>(() => new TextGenerator(model, new LetterTokenizer(40)) { StepsPerRead = stepsPerRead }.Generate([[0, 1]], options)).Message;
                Assert.Contains($"token 1 of an answer", message, StringComparison.Ordinal);
                Assert.Contains($"'{part}', whose '{weight}'", message, StringComparison.Ordinal);
            }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Decoding_finds_what_the_prompt_did_not_show(int stepsPerRead)
    {
        using var model = TinyLlama.Create();
        int[] prompt = [3, 4];
        var next = new TextGenerator(model, new LetterTokenizer(40)).Generate([prompt], new() { MaxNewTokens = 2 })[0].Ids[0];
        Assert.DoesNotContain(next, prompt);
        // The embedding of the token that comes next.
        Set(model, "model.embed_tokens.weight", 0);
        using (no_grad()) model.Decoder.Embedding[next].fill_(float.NaN);
        var message = Assert.Throws<NonFiniteScoresException>(() => new TextGenerator(model, new LetterTokenizer(40)) { StepsPerRead = stepsPerRead }.Generate([prompt], new() { MaxNewTokens = 20 })).Message;
        Assert.Contains("token 2 of an answer", message, StringComparison.Ordinal);
        Assert.Contains("'model.embed_tokens'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_adapter_is_named()
    {
        using var model = TinyLlama.Create();
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2, TargetModules = ["v_proj"] }, seed: 1);
        using (no_grad()) adapter.Layers[1].B.fill_(float.NaN);
        Assert.Contains("'model.layers.1', whose 'model.layers.1.self_attn.v_proj.lora_B'", Refused(model, new()), StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_beyond_the_format_are_told_from_damaged_weights()
    {
        using var model = TinyLlama.Create();
        using (no_grad()) model.named_parameters().Single(p => p.name == "model.layers.1.mlp.down_proj.weight").parameter.fill_(3e38f);
        var message = Refused(model, new());
        Assert.Contains("'model.layers.1', whose weights are finite", message, StringComparison.Ordinal);
        Assert.Contains("Float32", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_name_the_example()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        var examples = SmallRun.Examples(4, 1);
        using (no_grad()) model.Decoder.Embedding[examples[2].Ids[1]].fill_(float.NaN);
        var first = examples.FindIndex(example => example.Ids.AsSpan(0, example.Ids.Length - 1).Contains(examples[2].Ids[1]));
        var message = Assert.Throws<NonFiniteScoresException>(() => Evaluation.CrossEntropy(model, examples)).Message;
        Assert.Contains($"example {first} ", message, StringComparison.Ordinal);
        Assert.Contains("'model.embed_tokens'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_training_of_a_damaged_model_does_not_blame_the_learning_rate()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using (no_grad()) model.Decoder.Embedding.fill_(float.NaN);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2 }, seed: 1);
        var message = Assert.Throws<TrainingDivergedException>(() => new FineTuner(model, adapter, null, SmallRun.Options with { PenaltyWeight = 0 }).Train(SmallRun.Examples(4, 1))).Message;
        Assert.Contains("Nothing had been learnt yet", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Vectors_of_any_length_are_looked_through()
    {
        var values = new float[75];
        foreach (var bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            for (var count = 1; count <= values.Length; count += 7)
                for (var at = 0; at < values.Length; at += 3)
                {
                    Array.Fill(values, float.MaxValue);
                    values[at] = bad;
                    Assert.Equal(at >= count, AreFinite(values, count));
                }
    }

    private static unsafe bool AreFinite(float[] values, int count)
    {
        fixed (float* x = values) return AsFT.Torch.Generation.Cpu.RowMath.AreFinite(x, count);
    }
}
