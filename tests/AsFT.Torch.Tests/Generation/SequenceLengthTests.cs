using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Generation;

/// <summary>Models whose rotary positions depend on the length of the sequence.</summary>
public sealed class SequenceLengthTests
{
    public static TheoryData<object> Scalings() =>
    [
        new RopeScaling("longrope", 4, OriginalMaxPositions: 16) { Magnitude = 1.3, ShortFactors = [1, 1.1, 1.2, 1.3], LongFactors = [1, 2, 3, 4] },
        new RopeScaling("dynamic", 4, OriginalMaxPositions: 16),
    ];

    [Theory]
    [MemberData(nameof(Scalings))]
    public void Answers_that_outgrow_the_original_positions_are_those_of_reading_everything_again(object given)
    {
        var scaling = (RopeScaling)given;
        using var model = TinyLlama.Create(TinyLlama.Config with { Spec = new() { Rotary = new() { Theta = 100, Scaling = scaling } } });
        int[][] prompts = [.. new[] { 3, 16, 12, 17, 12, 30 }.Select((length, i) => TinyLlama.RandomIds(length, i).Select(id => (int)id).ToArray())];
        foreach (var (batchSize, stepsPerRead) in new[] { (1, 1), (6, 1), (6, 4) })
        {
            var generator = new TextGenerator(model, new LetterTokenizer(40)) { StepsPerRead = stepsPerRead };
            var answers = generator.Generate(prompts, new GenerationOptions { MaxNewTokens = 9, BatchSize = batchSize });
            for (var i = 0; i < prompts.Length; i++) Assert.Equal(Recomputed(model, prompts[i], 9), answers[i].Ids);
        }
        Assert.All(Sampled(6).Zip(Sampled(1)), pair => Assert.Equal(pair.First.Ids, pair.Second.Ids));

        IReadOnlyList<AsFT.Torch.Generation.Generation> Sampled(int batchSize) => new TextGenerator(model, new LetterTokenizer(40)).Generate(prompts, new GenerationOptions
        {
            MaxNewTokens = 9,
            BatchSize = batchSize,
            Temperature = 0.8,
            RepetitionPenalty = 1.2,
        });
    }

    private static List<int> Recomputed(CausalLanguageModel model, int[] prompt, int count)
    {
        using var scope = NewDisposeScope();
        var ids = prompt.Select(id => (long)id).ToList();
        for (var i = 0; i < count; i++) ids.Add(model.LogitsOf(TinyLlama.Ids([.. ids]))[0, -1].argmax().item<long>());
        return [.. ids.Skip(prompt.Length).Select(id => (int)id)];
    }
}
