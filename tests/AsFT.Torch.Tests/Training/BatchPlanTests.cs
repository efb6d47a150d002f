using AsFT.Torch.Chat;
using AsFT.Torch.Training;
using CsCheck;

namespace AsFT.Torch.Tests.Training;

public sealed class BatchPlanTests
{
    private static readonly Gen<(int[] Lengths, TrainingOptions Options)> Plans =
        Gen.Select(Gen.Int[1, 60].Array[1, 300], Gen.Int[1, 9], Gen.Bool, Gen.Bool, Gen.Long[0, 1000],
            (lengths, batch, shuffle, group, seed) => (lengths, new TrainingOptions { BatchSize = batch, Shuffle = shuffle, GroupByLength = group, Seed = seed }));

    [Fact]
    public void EveryEpochTakesEachExampleOnce() => Plans.Sample(p =>
    {
        var plan = new BatchPlan(p.Lengths, p.Options);
        foreach (var epoch in new[] { 0, 1 })
        {
            var steps = plan.Epoch(epoch);
            Assert.Equal(plan.StepsPerEpoch, steps.Length);
            Assert.Equal(Enumerable.Range(0, p.Lengths.Length), steps.SelectMany(step => step).Order());
            Assert.All(steps, step => Assert.InRange(step.Length, 1, p.Options.BatchSize));
        }
    });

    [Fact]
    public void PlanDependsOnSeedAndEpochAlone() => Plans.Sample(p =>
    {
        var (first, second) = (new BatchPlan(p.Lengths, p.Options), new BatchPlan(p.Lengths, p.Options));
        Assert.Equal(first.Epoch(3), second.Epoch(3));
    });

    [Fact]
    public void UnshuffledExamplesKeepTheirOrder()
    {
        var plan = new BatchPlan([9, 1, 5, 7, 3], new TrainingOptions { BatchSize = 2, Shuffle = false });
        Assert.Equal([[0, 1], [2, 3], [4]], plan.Epoch(0));
    }

    [Fact]
    public void GroupingByLengthSavesMostOfThePadding()
    {
        var random = new Random(3);
        var lengths = Enumerable.Range(0, 2000).Select(_ => random.Next(5, 500)).ToArray();
        long Padding(bool group) => new BatchPlan(lengths, new TrainingOptions { GroupByLength = group }).Epoch(0)
            .Sum(step => step.Max(i => lengths[i]) * (long)step.Length - step.Sum(i => lengths[i]));
        Assert.True(Padding(true) * 10 < Padding(false));
    }

    [Fact]
    public void MicroBatchesSplitAStepWithoutLoss() => Plans.Sample(p =>
    {
        var plan = new BatchPlan(p.Lengths, p.Options with { MicroBatchSize = 2 });
        foreach (var step in plan.Epoch(0))
        {
            var micro = plan.MicroBatches(step);
            Assert.All(micro, part => Assert.InRange(part.Length, 1, 2));
            Assert.Equal(step.Order(), micro.SelectMany(part => part).Order());
        }
    });

    [Fact]
    public void BatchPredictsEachSupervisedTokenFromItsPredecessor()
    {
        TokenizedExample[] examples = [new([1, 7, 8, 2], [false, false, true, true]), new([1, 9], [true, true])];
        var batch = TrainingBatch.Create(examples, [0, 1]);
        Assert.Equal(4, batch.Width);
        Assert.Equal([1L, 7, 8, 2, 1, 9, 0, 0], batch.Ids);
        Assert.Equal([1L, 2, 4], batch.Predictors);
        Assert.Equal([8L, 2, 9], batch.Labels);
        Assert.Equal(6, batch.TokenCount);
    }
}
