using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

/// <summary>Counts live tensors, which all threads of the process share; so no other test runs beside it.</summary>
[CollectionDefinition(nameof(TrainingMemoryTests), DisableParallelization = true)]
[Collection(nameof(TrainingMemoryTests))]
public sealed class TrainingMemoryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LiveTensorsAreFlatOverTwoHundredSteps(bool checkpointing)
    {
        long atTen = 0, atEnd = 0;
        SmallRun.Train(SmallRun.Options with { Epochs = 67, ReportEvery = 10, ActivationCheckpointing = checkpointing }, progress: new SmallRun.Callback(report =>
        {
            if (report.Step is not (10 or 200)) return;
            GC.Collect();
            GC.WaitForPendingFinalizers();
            if (report.Step == 10) atTen = Tensor.TotalCount;
            else atEnd = Tensor.TotalCount;
        }));
        Assert.True(atTen > 0 && atEnd > 0);
        Assert.InRange(atEnd - atTen, -2, 2);
    }
}
