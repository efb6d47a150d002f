using System.Text.Json;
using AsFT.Lab.Comparison;

namespace AsFT.Lab.Tests.Comparison;

public sealed class ComparisonMarkdownTests
{
    [Fact]
    public void Nothing_is_said_to_be_chosen_where_nothing_was_searched()
    {
        var report = ComparisonMarkdown.Write(Result(6, (_, _) => 10));
        Assert.Contains("nothing was searched", report);
        Assert.DoesNotContain("Every knob", report);
    }

    [Fact]
    public void A_mean_over_fewer_runs_tells_how_many()
    {
        var report = ComparisonMarkdown.Write(Result(6, (method, seed) => method == "AsFT" && seed > 4 ? null : 10 + seed));
        Assert.Contains("(n = 4)", report);
        Assert.DoesNotContain("(n = 6)", report);
    }

    [Theory]
    [InlineData(-5, "less harmful")]
    [InlineData(5, "MORE harmful")]
    public void The_same_difference_on_every_seed_is_a_difference_with_any_number_of_seeds(double difference, string words)
    {
        foreach (var seeds in new[] { 8, 30 })
            Assert.Contains(words, Assert.Single(ComparisonMarkdown.Verdicts(Result(seeds, (method, _) => method == "AsFT" ? 50 + difference : 50), "t", 0.1)));
        Assert.Contains("does not differ", Assert.Single(ComparisonMarkdown.Verdicts(Result(30, (_, _) => 50), "t", 0.1)));
    }

    [Fact]
    public void A_p_too_small_to_be_computed_is_not_shown_as_0()
    {
        var line = Assert.Single(ComparisonMarkdown.Verdicts(Result(30, (method, seed) => method == "AsFT" ? 10 + 0.01 * (seed % 2) : 90), "t", 0.1));
        Assert.Contains("p < 1e-12", line);
    }

    // Two penalties over report seeds 1 to n; no runs of a model are needed to say what came out.
    private static ComparisonResult Result(int seeds, Func<string, long, double?> hs)
    {
        ComparisonMethod Method(string name, string projection) => new()
        {
            Name = name,
            Kind = MethodKind.Asft,
            Settings = new Dictionary<string, JsonElement> { ["penalty.projection"] = JsonSerializer.SerializeToElement(projection), ["lambda"] = JsonSerializer.SerializeToElement(1) },
        };
        var config = new ComparisonConfig
        {
            Aligned = "a",
            Judge = new() { Kind = JudgeKind.World },
            Tasks = [new() { Name = "t", World = "w" }],
            Poison = [0.1],
            ReportSeeds = [.. Enumerable.Range(1, seeds).Select(i => (long)i)],
            Methods = [Method("isotropic", "none"), Method("AsFT", "reference")],
        };
        ComparisonRow[] rows = [.. from method in config.Methods from seed in config.ReportSeeds select new ComparisonRow
        {
            Method = method.Name, Poison = 0.1, Seed = seed, Split = ComparisonSplit.Report, Seconds = 1, Task = "t", Hs = hs(method.Name, seed), Fa = 90,
        }];
        return new(config, [.. config.Methods.Select(method => new ComparisonChoice { Task = "t", Poison = 0.1, Setting = MethodSetting.Expand(config, method)[0] })], rows);
    }
}
