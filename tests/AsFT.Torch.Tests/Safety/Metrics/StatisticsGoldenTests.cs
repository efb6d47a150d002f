using System.Text.Json;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Torch.Tests.Safety.Metrics;

/// <summary>Intervals and tests against scipy's and statsmodels' numbers.</summary>
[Trait("Category", "Goldens")]
public sealed class StatisticsGoldenTests : IDisposable
{
    private readonly JsonDocument _golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(TestData.Goldens, "statistics.json")));

    public void Dispose() => _golden.Dispose();

    [Fact]
    public void Wilsons_intervals_are_those_of_statsmodels()
    {
        foreach (var row in Rows("wilson95"))
        {
            var (lower, upper) = BinomialRate.Wilson(Count(row, "count"), Count(row, "n"));
            Assert.Equal(row.GetProperty("low").GetDouble(), lower, 1e-12);
            Assert.Equal(row.GetProperty("high").GetDouble(), upper, 1e-12);
        }
    }

    [Fact]
    public void McNemars_ps_are_those_of_scipy()
    {
        foreach (var row in Rows("mcnemar"))
        {
            var (first, second) = (Count(row, "only_first"), Count(row, "only_second"));
            var (exact, mid) = (row.GetProperty("exact_p").GetDouble(), row.GetProperty("mid_p").GetDouble());
            Assert.Equal(exact, PairedComparison.McNemarExact(first, second), exact * 1e-9);
            Assert.Equal(mid, PairedComparison.McNemarMidP(first, second), mid * 1e-9);
        }
    }

    private JsonElement[] Rows(string name)
    {
        JsonElement[] rows = [.. _golden.RootElement.GetProperty(name).EnumerateArray()];
        Assert.NotEmpty(rows);
        return rows;
    }

    private static long Count(JsonElement row, string name) => row.GetProperty(name).GetInt64();
}
