using AsFT.Lab.Comparison;

namespace AsFT.Lab.Tests.Comparison;

public sealed class SeedTestsTests
{
    [Fact]
    public void The_sign_flip_test_counts_assignments()
    {
        Assert.Equal(2.0 / 32, SeedTests.SignFlip([-1, -2, -3, -4, -5]));
        Assert.Equal(1, SeedTests.SignFlip([0, 0, 0]));
        // Sums of ±1 ±2 ±4 at least as far from 0 as 1 + 2 − 4 = −1: all eight.
        Assert.Equal(1, SeedTests.SignFlip([1, 2, -4]));
        // ±3 ±1 ±1 with |sum| ≥ 5: two of eight.
        Assert.Equal(0.25, SeedTests.SignFlip([3, 1, 1]));
        Assert.True(double.IsNaN(SeedTests.SignFlip([])));
    }

    [Theory]
    // Two-sided 5 % points of Student's t from printed tables.
    [InlineData(1, 12.706)]
    [InlineData(2, 4.303)]
    [InlineData(4, 2.776)]
    [InlineData(7, 2.365)]
    [InlineData(9, 2.262)]
    [InlineData(20, 2.086)]
    public void The_paired_t_test_agrees_with_the_tables(int freedom, double t)
    {
        // Numbers with mean m and deviation s so that m·√n/s = t.
        var n = freedom + 1;
        var zero = Enumerable.Range(0, n).Select(i => i - (n - 1) / 2.0).ToArray();
        var shift = t * Moments.Of(zero).Deviation / Math.Sqrt(n);
        Assert.Equal(0.05, SeedTests.PairedT([.. zero.Select(z => z + shift)]), 3e-5);
    }

    [Fact]
    public void Differences_that_do_not_vary()
    {
        Assert.Equal(1, SeedTests.PairedT([0, 0, 0]));
        Assert.True(double.IsNaN(SeedTests.PairedT([2, 2, 2])));
        Assert.True(double.IsNaN(SeedTests.PairedT([2])));
    }
}
