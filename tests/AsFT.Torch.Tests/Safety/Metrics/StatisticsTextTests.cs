using System.Globalization;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Torch.Tests.Safety.Metrics;

public class StatisticsTextTests
{
    [Theory]
    [InlineData(0, "0.0")]
    [InlineData(100, "100.0")]
    [InlineData(12.34, "12.3")]
    [InlineData(99.94, "99.9")]
    [InlineData(99.96, "99.96")]
    [InlineData(99.9999, "99.9999")]
    [InlineData(0.04, "0.04")]
    [InlineData(1e-9, "0.000000001")]
    [InlineData(double.NaN, "n/a")]
    public void A_percentage_never_looks_like_all_or_nothing_when_it_is_not(double value, string text) => Assert.Equal(text, StatisticsText.Percent(value));

    [Fact]
    public void A_percentage_beside_a_limit_shows_on_which_side_it_lies()
    {
        Assert.Equal("5.04", StatisticsText.Percent(5.04, 5));
        Assert.Equal("4.999", StatisticsText.Percent(4.999, 5));
        Assert.Equal("5.0", StatisticsText.Percent(5, 5));
        Assert.Equal("5.03", StatisticsText.Percent(5.03, 5.02));
    }

    [Theory]
    [InlineData(0, "0.0")]
    [InlineData(-12.36, "−12.4")]
    [InlineData(3, "+3.0")]
    [InlineData(-0.02, "−0.02")]
    [InlineData(0.049, "+0.05")]
    public void A_difference_keeps_its_sign(double value, string text) => Assert.Equal(text, StatisticsText.Points(value));

    [Theory]
    [InlineData(1, "p = 1.0000")]
    [InlineData(0.03125, "p = 0.0313")]
    [InlineData(0.049996, "p = 0.049996")]
    [InlineData(0.0000123, "p = 1.2e-5")]
    [InlineData(2.4e-120, "p = 2.4e-120")]
    [InlineData(0, "p < 1e-300")]
    [InlineData(double.NaN, "p = n/a")]
    public void No_p_is_shown_as_0_or_on_the_other_side_of_a_level(double p, string text) => Assert.Equal(text, StatisticsText.PEquation(p));

    [Fact]
    public void What_is_known_to_be_below_a_floor_is_told_so() => Assert.Equal("< 1e-12", StatisticsText.PValue(3e-14, 1e-12));

    [Fact]
    public void A_comparison_without_doubt_tells_a_p()
    {
        Assert.EndsWith("p = 1.9e-91 (300 pairs)", new PairedComparison(0, 300, 0, 0).ToString().Replace("9.8e-91", "1.9e-91", StringComparison.Ordinal));
        Assert.EndsWith("p < 1e-300 (5000 pairs)", new PairedComparison(0, 5000, 0, 0).ToString());
        Assert.True(PairedComparison.McNemarExact(0, 5000) > 0);
    }

    [Fact]
    public void Numbers_read_the_same_in_every_culture()
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = "," } };
            Assert.Equal("4.0 % [2.2, 7.2] (10/250)", new BinomialRate(10, 250).ToString());
            Assert.StartsWith("+1.2 points [", new PairedComparison(0, 0, 3, 247).ToString());
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }
}
