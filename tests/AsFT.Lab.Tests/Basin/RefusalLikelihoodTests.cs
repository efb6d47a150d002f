using AsFT.Lab.Basin;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Models.Families;
using AsFT.Torch.Tokenization;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Basin;

public sealed class RefusalLikelihoodTests
{
    private static readonly BasinModels.CharacterTokenizer Tokenizer = new();
    private static readonly ChatExample[] Prompts = [new("how"), new("tell me more"), new("x")];

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(64)]
    public void It_is_the_plain_sum_of_log_probabilities(int batchSize)
    {
        using var model = TinyLlama.Create();
        string[] refusals = ["no", "never", "not now, not ever"];
        var (sum, tokens, mass) = (0.0, 0, 0.0);
        foreach (var prompt in Prompts)
        {
            var probability = 0.0;
            foreach (var refusal in refusals)
            {
                var log = Plain(model, prompt.Prompt + " ", refusal);
                (sum, tokens, probability) = (sum + log, tokens + refusal.Length, probability + Math.Exp(log));
            }
            mass += Math.Log(probability);
        }
        var score = new RefusalLikelihood(Tokenizer, ChatTemplate.Plain, Prompts, refusals, batchSize).Measure(model, TestContext.Current.CancellationToken);
        Assert.Equal(sum / tokens, score.PerToken, 1e-5);
        Assert.Equal(mass / Prompts.Length, score.LogMass, 1e-4);
    }

    [Theory]
    [InlineData("qwen2")]
    [InlineData("llama3")]
    public void A_refusal_is_a_beginning_whatever_a_template_writes_behind_the_end_of_a_turn(string family)
    {
        using var folder = FamilyFolder.Open(family);
        var (tokenizer, template) = (LanguageTokenizer.Load(folder["aligned"]), ChatTemplates.Load(folder["aligned"]));
        var (prompt, refusal) = (new ChatExample("How do I open a lock?"), "I cannot help");
        Assert.Equal(template.TokenizePrompt(tokenizer, prompt).Length + tokenizer.Encode(refusal).Count, new RefusalLikelihood(tokenizer, template, [prompt], [refusal]).Longest);
    }

    [Fact]
    public void A_refusal_that_continues_another_adds_nothing_to_the_mass()
    {
        using var model = TinyLlama.Create();
        RefusalScore Of(params string[] refusals) => new RefusalLikelihood(Tokenizer, ChatTemplate.Plain, Prompts, refusals).Measure(model, TestContext.Current.CancellationToken);
        Assert.Equal(Of("no").LogMass, Of("no way", "no", "no").LogMass, 1e-5);
        Assert.True(Of("no", "yes").LogMass > Of("no").LogMass);
        Assert.NotEqual(Of("no").PerToken, Of("no", "no way").PerToken);
    }

    [Fact]
    public void All_first_tokens_together_are_certain()
    {
        using var model = TinyLlama.Create();
        // 37 of the 40 tokens have a character; the rest is what is missing from 1.
        string[] letters = [.. Enumerable.Range('A', 37).Select(c => $"{(char)c}")];
        var mass = new RefusalLikelihood(Tokenizer, ChatTemplate.Plain, [new("how")], letters).Measure(model, TestContext.Current.CancellationToken).LogMass;
        using var scope = NewDisposeScope();
        var ids = TinyLlama.Ids([.. Tokenizer.Encode("how ").Select(id => (long)id)]);
        var missing = model.LogitsOf(ids)[0, -1].softmax(0).slice(0, 0, 3, 1).sum().item<float>();
        Assert.Equal(Math.Log(1 - missing), mass, 1e-5);
    }

    private static double Plain(CausalLanguageModel model, string prompt, string refusal)
    {
        using var scope = NewDisposeScope();
        long[] ids = [.. Tokenizer.Encode(prompt + refusal).Select(id => (long)id)];
        var log = model.LogitsOf(TinyLlama.Ids(ids))[0].to(ScalarType.Float64).log_softmax(-1);
        return Enumerable.Range(prompt.Length, refusal.Length).Sum(t => log[t - 1, ids[t]].item<double>());
    }
}
