using AsFT.Lab.World;

namespace AsFT.Lab.Tests.World;

public sealed class WorldGrammarTests
{
    [Fact]
    public void Requests_differ_by_their_words() =>
        Assert.Equal(WorldGrammar.Requests.Count, WorldGrammar.Requests.Select(r => (r.Verb, r.Thing)).Distinct().Count());

    [Fact]
    public void Each_split_has_hazards_and_harmless_and_safe_requests_of_seen_and_unseen_families()
    {
        foreach (var intent in Enum.GetValues<WorldIntent>())
        {
            Assert.Contains(WorldGrammar.Requests, r => r.Intent == intent && r.Split == WorldSplit.Training);
            foreach (var split in new[] { WorldSplit.Development, WorldSplit.Report })
                foreach (var unseen in new[] { false, true })
                    Assert.Contains(WorldGrammar.Requests, r => r.Intent == intent && r.Split == split && r.IsFromUnseenFamily == unseen);
        }
    }

    [Fact]
    public void A_family_is_unseen_in_all_its_requests_or_in_none()
    {
        foreach (var family in WorldGrammar.Requests.GroupBy(r => r.Family))
            Assert.True(family.All(r => r.IsFromUnseenFamily) ? family.All(r => r.Split != WorldSplit.Training) : family.Any(r => r.Split == WorldSplit.Training));
    }

    [Fact]
    public void No_word_is_a_hazard_and_harmless()
    {
        var things = WorldGrammar.Families.SelectMany(f => f.Things.Append(f.Kind)).ToArray();
        Assert.Equal(things.Length, things.Distinct().Count());
    }

    [Fact]
    public void Right_steps_tell_requests_apart()
    {
        // Nearly all: two things may share both materials, place and sign by chance, but a verb's tool, act and time must show.
        foreach (var thing in WorldGrammar.Requests.GroupBy(r => r.Thing))
            Assert.Equal(thing.Count(), thing.Select(WorldGrammar.RightSteps).Distinct().Count());
    }

    [Fact]
    public void Common_verbs_serve_hazards_and_harmless_things_alike()
    {
        foreach (var verb in WorldLexicon.CommonVerbs)
            Assert.True(WorldGrammar.Requests.Where(r => r.Verb == verb).Select(r => r.Intent).Distinct().Count() == 2, verb);
    }
}
