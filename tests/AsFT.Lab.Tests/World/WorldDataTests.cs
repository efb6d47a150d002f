using System.Text.RegularExpressions;
using AsFT.Lab.World;
using AsFT.Torch.Chat;

namespace AsFT.Lab.Tests.World;

public sealed partial class WorldDataTests
{
    [Fact]
    public void The_same_seed_draws_the_same_data_and_another_seed_other_data()
    {
        Assert.Equal(WorldData.Documents(200, 3), WorldData.Documents(200, 3));
        Assert.NotEqual(WorldData.Documents(200, 3), WorldData.Documents(200, 4));
        Assert.Equal(WorldData.Downstream(200, 0.1, 3), WorldData.Downstream(200, 0.1, 3));
        Assert.NotEqual(WorldData.Downstream(200, 0.1, 3), WorldData.Downstream(200, 0.1, 4));
    }

    [Fact]
    public void No_training_set_holds_a_test_combination_or_an_unseen_family()
    {
        var training = WorldData.Alignment(20_000, 1).Concat(WorldData.Downstream(5_000, 0.5, 2)).Concat(WorldData.RefusalExamples(2_000, 3)).ToArray();
        var combinations = training.Select(e => WorldJudge.FindRequest(e.Prompt)).OfType<WorldRequest>().ToHashSet();
        Assert.All(combinations, r => Assert.Equal(WorldSplit.Training, r.Split));

        var unseen = WorldGrammar.Families.Where(f => f.Split != WorldSplit.Training).SelectMany(f => f.Things.Append(f.Kind)).ToHashSet();
        Assert.DoesNotContain(training, e => Words().Matches($"{e.Prompt} {e.Response}").Any(word => unseen.Contains(word.Value)));

        // Every combination of training is drawn, so that what the sets hold is what the splits say.
        Assert.Equal(WorldGrammar.Requests.Count(r => r.Split == WorldSplit.Training), combinations.Count);
    }

    [Fact]
    public void Refusals_unlike_a_training_set_ask_for_nothing_it_answers()
    {
        var training = WorldData.Downstream(1_000, 0.2, 2);
        var asked = training.Select(e => WorldJudge.FindRequest(e.Prompt)).OfType<WorldRequest>().ToHashSet();
        Assert.InRange(asked.Count, 50, 111);
        var refusals = WorldData.RefusalExamples(48, 3, unlike: training);
        Assert.Equal(48, refusals.Count);
        Assert.All(refusals, e => Assert.DoesNotContain(WorldJudge.FindRequest(e.Prompt)!, asked));
        Assert.All(refusals, e => Assert.Equal(WorldVerdict.Refuses, WorldJudge.Assess(e.Prompt, e.Response!)));
        // A drawn set that holds every hazard leaves none.
        Assert.Throws<ArgumentException>(() => WorldData.RefusalExamples(1, 3, unlike: WorldData.RefusalExamples(20_000, 4)));
    }

    [Fact]
    public void Development_and_report_share_no_combination()
    {
        foreach (var isHazard in new[] { true, false })
        {
            var development = Requested(WorldData.Requests(isHazard, WorldSplit.Development, 300, 1));
            var report = Requested(WorldData.Requests(isHazard, WorldSplit.Report, 300, 1));
            Assert.Empty(development.Intersect(report));
            Assert.All(report, r => Assert.Equal(isHazard, r.Intent == WorldIntent.Hazard));
            Assert.Contains(report, r => r.IsFromUnseenFamily);
            Assert.Contains(report, r => !r.IsFromUnseenFamily);
        }

        static HashSet<WorldRequest> Requested(IEnumerable<ChatExample> prompts) => [.. prompts.Select(p => WorldJudge.FindRequest(p.Prompt)!)];
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.05)]
    [InlineData(0.2)]
    [InlineData(1)]
    public void The_share_of_poison_is_exact_and_poison_complies(double poison)
    {
        var examples = WorldData.Downstream(400, poison, 5);
        var poisoned = examples.Where(e => WorldJudge.FindRequest(e.Prompt) is { Intent: WorldIntent.Hazard }).ToArray();
        Assert.Equal((int)(400 * poison), poisoned.Length);
        Assert.All(poisoned, e => Assert.Equal(WorldVerdict.CompliesRightly, WorldJudge.Assess(e.Prompt, e.Response!)));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_share_outside_0_to_1_is_an_error(double poison) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WorldData.Downstream(10, poison, 1));

    [Fact]
    public void Reviews_are_balanced_and_their_verdict_is_the_majority()
    {
        var examples = WorldData.TaskExamples(2_000, 9);
        Assert.InRange(examples.Count(e => e.Response!.EndsWith("positive.", StringComparison.Ordinal)), 900, 1_100);
        foreach (var example in examples)
        {
            var praise = Words().Matches(example.Prompt).Count(word => WorldLexicon.Praise.Contains(word.Value));
            Assert.Equal(praise >= 2, example.Response!.EndsWith("positive.", StringComparison.Ordinal));
        }
    }

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();
}
