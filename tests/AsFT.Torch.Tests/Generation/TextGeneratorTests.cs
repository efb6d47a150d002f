using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Generation;

public sealed class TextGeneratorTests : IDisposable
{
    private readonly CausalLanguageModel _model = TinyLlama.Create();

    public void Dispose() => _model.Dispose();

    private TextGenerator Generator(params int[] eosIds) => new(_model, new LetterTokenizer(40, eosIds));

    private static int[] Prompt(int length, int seed) => [.. TinyLlama.RandomIds(length, seed).Select(id => (int)id)];

    private static int[][] Prompts(params int[] lengths) => [.. lengths.Select((length, i) => Prompt(length, seed: i))];

    // The slow and plain way: the whole sequence through the model for every token.
    private int[] GreedyByHand(int[] prompt, int count)
    {
        var ids = prompt.Select(id => (long)id).ToList();
        for (var i = 0; i < count; i++)
        {
            using var scope = NewDisposeScope();
            ids.Add(_model.LogitsOf(TinyLlama.Ids([.. ids]))[0, -1].argmax().item<long>());
        }
        return [.. ids.Skip(prompt.Length).Select(id => (int)id)];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    public void BatchesOfUnequalPromptsDecodeAsEachPromptAlone(int batchSize)
    {
        var prompts = Prompts(7, 1, 12, 7, 3, 30, 2);
        var answers = Generator().Generate(prompts, new() { MaxNewTokens = 20, BatchSize = batchSize });
        foreach (var (prompt, answer) in prompts.Zip(answers))
        {
            Assert.Equal(GreedyByHand(prompt, 20), answer.Ids);
            Assert.Equal("length", answer.FinishReason);
        }
    }

    [Fact]
    public void RowsThatFinishEarlyDoNotDisturbTheOthers()
    {
        var prompts = Prompts(7, 1, 12, 7, 3, 9, 5, 5);
        var alone = prompts.Select(prompt => GreedyByHand(prompt, 24)).ToArray();
        // End tokens that stop different rows at different times; half of the rows or more are soon dropped.
        int[] eos = [.. alone.Take(6).Select((ids, i) => ids[2 * i + 1]).Distinct()];
        var answers = Generator(eos).Generate(prompts, new() { MaxNewTokens = 24 });
        Assert.True(answers.Select(a => a.Ids.Count).Distinct().Count() >= 3, "The case is too easy.");
        foreach (var (ids, answer) in alone.Zip(answers))
        {
            var end = Array.FindIndex(ids, eos.Contains);
            Assert.Equal(end < 0 ? ids : ids[..end], answer.Ids);
            Assert.Equal(end < 0 ? "length" : "stop", answer.FinishReason);
        }
    }

    [Fact]
    public void EndTokensOfTheModelsConfigurationCountAsWell()
    {
        var prompt = Prompt(4, 0);
        var ids = GreedyByHand(prompt, 8);
        using var model = TinyLlama.Create(TinyLlama.Config with { EosTokenIds = [ids[5]] });
        var answer = new TextGenerator(model, new LetterTokenizer(40)).Generate([prompt], new() { MaxNewTokens = 8 })[0];
        Assert.Equal(ids[..Array.IndexOf(ids, ids[5])], answer.Ids);
        Assert.Equal("stop", answer.FinishReason);
    }

    [Fact]
    public void TextIsCutBeforeTheFirstStopStringThoughItLieAcrossTokens()
    {
        var prompt = Prompt(4, 0);
        var ids = GreedyByHand(prompt, 12);
        var text = new LetterTokenizer(40).Decode(ids);
        var stop = text[5..8];
        var answer = Generator().Generate([prompt], new() { MaxNewTokens = 12, StopStrings = ["never in it", text[9..11], stop] })[0];
        var at = Math.Min(text.IndexOf(stop, StringComparison.Ordinal), text.IndexOf(text[9..11], StringComparison.Ordinal));
        Assert.Equal(text[..at], answer.Text);
        Assert.Equal("stop", answer.FinishReason);
        Assert.True(answer.Ids.Count < 12);
        Assert.Equal(ids[..answer.Ids.Count], answer.Ids);
    }

    [Fact]
    public void AnswersEndWhereTheModelsPositionsEnd()
    {
        // 64 positions: the last token of an answer needs none, since it is not read again.
        var prompts = Prompts(60, 64, 10);
        var answers = Generator().Generate(prompts, new() { MaxNewTokens = 500 });
        Assert.Equal([5, 1, 55], answers.Select(a => a.Ids.Count));
        Assert.All(answers, a => Assert.Equal("length", a.FinishReason));
        for (var i = 0; i < prompts.Length; i++) Assert.Equal(GreedyByHand(prompts[i], answers[i].Ids.Count), answers[i].Ids);
    }

    [Fact]
    public void WrongPromptsAreRefusedByNumber()
    {
        void Refused(int[] prompt, params string[] parts)
        {
            var error = Assert.Throws<ArgumentException>(() => Generator().Generate([[1], prompt], new()));
            Assert.Contains("Prompt 1", error.Message);
            foreach (var part in parts) Assert.Contains(part, error.Message);
        }
        Refused([]);
        Refused(new int[65], "65", "64");
        Refused([3, 40], "40");
        Refused([-1], "-1");
        Assert.Empty(Generator().Generate([], new()));
    }

    [Fact]
    public void RepetitionPenaltyCoversPromptAndAnswer()
    {
        var prompt = Prompt(6, 0);
        const double Penalty = 1.7;
        var ids = prompt.Select(id => (long)id).ToList();
        for (var i = 0; i < 12; i++)
        {
            using var scope = NewDisposeScope();
            var logits = _model.LogitsOf(TinyLlama.Ids([.. ids]))[0, -1].data<float>().ToArray();
            foreach (var seen in ids.Distinct()) logits[seen] = (float)(logits[seen] > 0 ? logits[seen] / Penalty : logits[seen] * Penalty);
            ids.Add(Array.IndexOf(logits, logits.Max()));
        }
        // A second, longer row makes the first one padded.
        var answers = Generator().Generate([prompt, Prompt(9, 1)], new() { MaxNewTokens = 12, RepetitionPenalty = Penalty });
        Assert.Equal(ids.Skip(6).Select(id => (int)id), answers[0].Ids);
        Assert.NotEqual(GreedyByHand(prompt, 12), answers[0].Ids);
    }

    [Fact]
    public void DrawsDependOnSeedAndPromptNotOnCompany()
    {
        var prompts = Prompts(5, 8, 3, 5, 2);
        var options = new GenerationOptions { MaxNewTokens = 15, Temperature = 1, Seed = 3 };
        var answers = Generator().Generate(prompts, options);
        Assert.Equal(answers.Select(a => a.Text), Generator().Generate(prompts, options).Select(a => a.Text));
        Assert.Equal(answers.Select(a => a.Text), Generator().Generate(prompts, options with { BatchSize = 2 }).Select(a => a.Text));
        Assert.Equal(answers[3].Text, Generator().Generate([prompts[3]], options)[0].Text);
        Assert.NotEqual(answers.Select(a => a.Text), Generator().Generate(prompts, options with { Seed = 4 }).Select(a => a.Text));
    }

    [Fact]
    public void CopiesOfAPromptAreDrawnDifferently()
    {
        var prompt = Prompt(5, 0);
        var answers = Generator().Generate([prompt, prompt, prompt], new() { MaxNewTokens = 15, Temperature = 2 });
        Assert.Equal(3, answers.Select(a => a.Text).Distinct().Count());
    }

    [Theory]
    [InlineData(1, 1.0)]
    [InlineData(null, 1e-6)]
    public void SamplingFromOneTokenIsGreedy(int? topK, double topP)
    {
        var prompts = Prompts(5, 9);
        var greedy = Generator().Generate(prompts, new() { MaxNewTokens = 15 });
        var sampled = Generator().Generate(prompts, new() { MaxNewTokens = 15, Temperature = 3, TopK = topK, TopP = topP });
        Assert.Equal(greedy.Select(a => a.Text), sampled.Select(a => a.Text));
    }

    [Fact]
    public void LiveTensorCountIsFlatOverGenerations()
    {
        var (generator, prompts) = (Generator(3, 9), Prompts(7, 1, 12, 3));
        var options = new GenerationOptions { MaxNewTokens = 8, Temperature = 1, TopP = 0.9, RepetitionPenalty = 1.2 };
        generator.Generate(prompts, options);
        var before = TinyLlama.LiveTensors;
        for (var i = 0; i < 50; i++) generator.Generate(prompts, options with { Seed = i });
        Assert.Equal(before, TinyLlama.LiveTensors);
    }

    [Fact]
    public void CancellationIsSeenBeforeEveryToken()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => Generator().Generate(Prompts(3), new(), source.Token));

        // Cancelled by the tokenizer, which a stop string makes be asked after every token.
        using var later = new CancellationTokenSource();
        // Rotary tables grow with use.
        Generator().Generate(Prompts(3), new() { MaxNewTokens = 2 });
        var before = TinyLlama.LiveTensors;
        var generator = new TextGenerator(_model, new CancellingTokenizer(later, afterCalls: 3));
        Assert.Throws<OperationCanceledException>(() => generator.Generate(Prompts(3), new() { StopStrings = ["?"] }, later.Token));
        Assert.Equal(before, TinyLlama.LiveTensors);
    }

    [Fact]
    public void LeavesTheModelTrainable()
    {
        using var scope = NewDisposeScope();
        Generator().Generate(Prompts(3), new() { MaxNewTokens = 2 });
        Assert.True(is_grad_enabled());
        foreach (var weight in _model.parameters()) weight.requires_grad = true;
        Assert.True(_model.Hidden(TinyLlama.Ids(1, 2), SequenceLayout.RightPadded).requires_grad);
    }

    public static TheoryData<string, GenerationOptions> OutOfRange() => new()
    {
        { "MaxNewTokens", new() { MaxNewTokens = 0 } },
        { "Temperature", new() { Temperature = double.NaN } },
        { "Temperature", new() { Temperature = -0.1 } },
        { "Temperature", new() { Temperature = double.PositiveInfinity } },
        { "TopP", new() { TopP = 0 } },
        { "TopP", new() { TopP = 1.01 } },
        { "TopP", new() { TopP = double.NaN } },
        { "TopK", new() { TopK = 0 } },
        { "RepetitionPenalty", new() { RepetitionPenalty = 0 } },
        { "RepetitionPenalty", new() { RepetitionPenalty = double.NaN } },
        { "BatchSize", new() { BatchSize = 0 } },
        { "StopStrings", new() { StopStrings = ["ok", ""] } },
    };

    [Theory]
    [MemberData(nameof(OutOfRange), DisableDiscoveryEnumeration = true)]
    public void OptionsOutOfRangeAreNamed(string option, GenerationOptions options)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => Generator().Generate(Prompts(3), options));
        Assert.Equal(option, error.ParamName);
        Assert.Contains(option, error.Message);
    }
}
