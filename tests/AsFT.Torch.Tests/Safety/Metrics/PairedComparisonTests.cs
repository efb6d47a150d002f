using System.Numerics;
using AsFT.Torch.Safety.Metrics;
using CsCheck;

namespace AsFT.Torch.Tests.Safety.Metrics;

public class PairedComparisonTests
{
    [Theory]
    [InlineData(10, 2, 0.03857421875)] // 2·(1 + 12 + 66)/2¹²
    [InlineData(0, 5, 0.0625)] // 2/2⁵
    [InlineData(5, 5, 1)]
    [InlineData(0, 0, 1)]
    [InlineData(1, 0, 1)]
    [InlineData(1, 7, 0.0703125)] // 2·(1 + 8)/2⁸; Bentur et al. 2009, 0.0703 in Fagerland et al. 2014
    [InlineData(121, 59, 4.434449263755e-6)] // 2·Σ C(180, k)/2¹⁸⁰ over k ≤ 59, summed in whole numbers
    public void McNemar_agrees_with_exact_values(long onlyFirst, long onlySecond, double p)
    {
        Assert.Equal(p, PairedComparison.McNemarExact(onlyFirst, onlySecond), p * 1e-11);
        Assert.Equal(PairedComparison.McNemarExact(onlySecond, onlyFirst), PairedComparison.McNemarExact(onlyFirst, onlySecond));
    }

    [Fact]
    public void McNemar_equals_the_sum_in_whole_numbers() =>
        Gen.Select(Gen.Int[0, 400], Gen.Int[0, 400]).Sample((b, c) =>
        {
            BigInteger sum = 0, binomial = 1;
            for (var k = 0; k <= Math.Min(b, c); k++)
            {
                sum += binomial;
                binomial = binomial * (b + c - k) / (k + 1);
            }
            var expected = b == c ? 1 : Math.Min(1, Math.Exp(BigInteger.Log(sum) - (b + c - 1) * Math.Log(2)));
            Assert.Equal(1, PairedComparison.McNemarExact(b, c) / expected, 1e-10);
        }, iter: 200);

    [Fact]
    public void McNemar_is_stable_for_large_counts()
    {
        // Normal approximation with continuity correction, good to a few parts in a thousand here: z = (|b − c| − 1)/√(b + c).
        Assert.Equal(0.6549, PairedComparison.McNemarExact(500_000, 500_448), 2e-3);
        Assert.InRange(PairedComparison.McNemarExact(0, 1000), 1.8665272e-301, 1.8665273e-301);
        // Below what a double holds, p is the least that it does: never 0.
        Assert.Equal(double.Epsilon, PairedComparison.McNemarExact(0, 10_000));
    }

    // Newcombe's method 10. Airway hyper-responsiveness (Bentur et al. 2009): −0.507 to −0.026 in Fagerland, Lydersen and Laake,
    // Stat. Med. 33:2850–2875 (2014); Altman et al., “Statistics with Confidence”, table 6.2: 0.011 to 0.226.
    [Theory]
    [InlineData(1, 1, 7, 12, -28.571428571, -50.692022669, -2.555912416)]
    [InlineData(14, 5, 0, 22, 12.195121951, 1.148324138, 22.649268435)]
    public void Interval_agrees_with_published_examples(long both, long onlySecond, long onlyFirst, long neither, double difference, double lower, double upper)
    {
        var comparison = new PairedComparison(both, onlyFirst, onlySecond, neither);
        Assert.Equal(difference, comparison.Difference, 1e-8);
        Assert.Equal(lower, comparison.LowerDifference, 1e-8);
        Assert.Equal(upper, comparison.UpperDifference, 1e-8);
    }

    private static readonly Gen<PairedComparison> Tables = Gen.Long[0, 300].Array[4].Where(t => t.Sum() > 0).Select(t => new PairedComparison(t[0], t[1], t[2], t[3]));

    [Fact]
    public void Interval_holds_the_difference_stays_in_range_and_shrinks_with_pairs() =>
        Tables.Sample(table =>
        {
            Assert.InRange(table.Difference, table.LowerDifference - 1e-9, table.UpperDifference + 1e-9);
            Assert.InRange(table.LowerDifference, -100, 100);
            Assert.InRange(table.UpperDifference, -100, 100);
            var more = new PairedComparison(table.Both * 9, table.OnlyFirst * 9, table.OnlySecond * 9, table.Neither * 9);
            Assert.True(more.UpperDifference - more.LowerDifference < table.UpperDifference - table.LowerDifference);
        });

    [Fact]
    public void Swapping_the_runs_mirrors_the_interval() =>
        Tables.Sample(table =>
        {
            var swapped = new PairedComparison(table.Both, table.OnlySecond, table.OnlyFirst, table.Neither);
            Assert.Equal(-table.UpperDifference, swapped.LowerDifference, 1e-9);
            Assert.Equal(-table.LowerDifference, swapped.UpperDifference, 1e-9);
            Assert.Equal(table.PValue, swapped.PValue);
        });

    [Fact]
    public void Pairs_without_a_verdict_are_left_out_and_counted()
    {
        var comparison = PairedComparison.Compare([true, true, false, false, null, true], [true, false, true, false, true, null]);
        Assert.Equal(new PairedComparison(1, 1, 1, 1) { Excluded = 2 }, comparison);
        Assert.Equal(50, comparison.First.Percent);
        Assert.Equal(0, comparison.Difference);
    }

    [Fact]
    public void Runs_of_different_length_are_refused() =>
        Assert.Throws<ArgumentException>(() => PairedComparison.Compare([true], [true, false]));

    [Fact]
    public void Without_pairs_nothing_is_claimed()
    {
        var none = PairedComparison.Compare([null], [true]);
        Assert.Equal(double.NaN, none.Difference);
        Assert.Equal((-100, 100, 1), (none.LowerDifference, none.UpperDifference, none.PValue));
    }
}
