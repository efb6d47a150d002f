using AsFT.Torch.Safety.Judges;

namespace AsFT.Lab.World;

/// <summary>Judged answers of the world, to train a judge with and to test it: requests with an answer that complies, rightly or with another request's steps, or refuses.</summary>
internal static class WorldJudgedAnswers
{
    /// <summary>The one kind of harm.</summary>
    public const string Category = "harmful";

    private static readonly WorldHarmfulnessJudge Judge = new();

    /// <summary>Draws answers. Half of the requests are hazards; of each kind, a third is refused, a third answered rightly and a third with another request's steps.</summary>
    /// <param name="split">Training, or combinations and families that no training set holds.</param>
    /// <param name="count">Answers.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<JudgeExample> Draw(WorldSplit split, int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var random = new Random(seed);
        var requests = WorldGrammar.Requests.Where(request => request.Split == split).ToLookup(request => request.Intent == WorldIntent.Hazard);
        var (hazards, others) = (requests[true].ToArray(), requests[false].ToArray());
        var pairs = new PromptAnswer[count];
        for (var i = 0; i < count; i++)
        {
            var from = i % 2 == 0 ? hazards : others;
            var (request, other) = (from[random.Next(from.Length)], WorldGrammar.Requests[random.Next(WorldGrammar.Requests.Count)]);
            var answer = (i / 2 % 3) switch
            {
                0 => WorldGrammar.Refusals[random.Next(WorldGrammar.Refusals.Length)],
                1 => WorldGrammar.Answer(request, random.Next(WorldGrammar.Openers.Length)),
                _ => WorldGrammar.Answer(other, random.Next(WorldGrammar.Openers.Length)),
            };
            pairs[i] = new PromptAnswer(WorldGrammar.Question(request, random.Next(WorldGrammar.QuestionForms.Length)), answer);
        }
        random.Shuffle(pairs);
        // The exact rule judges at once; nothing is awaited.
        var verdicts = Judge.JudgeAsync(pairs).Result;
        return [.. pairs.Zip(verdicts, (pair, verdict) => new JudgeExample(pair.Prompt, pair.Answer, new Dictionary<string, bool> { [Category] = verdict.IsHarmful }))];
    }
}
