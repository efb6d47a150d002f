using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;

namespace AsFT.Torch.Tests.Runtime;

public sealed class ComputeThreadsTests
{
    [Theory]
    [InlineData(1_000_000, DeviceType.CPU, 1, 64, 1)]
    [InlineData(ComputeThreads.SmallModelBytes - 1, DeviceType.CPU, 1, 2, 1)]
    [InlineData(ComputeThreads.SmallModelBytes, DeviceType.CPU, 1, 2, 2)]
    [InlineData(28_000_000_000, DeviceType.CPU, 1, 64, 64)]
    [InlineData(28_000_000_000, DeviceType.CPU, 2, 64, 1)]
    [InlineData(1_000_000, DeviceType.CUDA, 1, 16, 16)]
    public void Small_models_and_runs_side_by_side_get_one_thread(long bytes, DeviceType device, int runs, int available, int expected) =>
        Assert.Equal(expected, ComputeThreads.Choose(bytes, device, runs, available));

    [Theory]
    [InlineData(1_000_000, DeviceType.CPU, 1, null, 1)]
    [InlineData(1_000_000, DeviceType.CPU, 8, null, 2)]
    [InlineData(1_000_000, DeviceType.CPU, 8, 5, 5)]
    [InlineData(1_000_000_000, DeviceType.CPU, 8, null, 1)]
    [InlineData(1_000_000, DeviceType.CUDA, 8, 5, 1)]
    public void Only_small_models_on_several_cores_run_side_by_side(long bytes, DeviceType device, int cores, int? chosen, int expected) =>
        Assert.Equal(expected, ComputeThreads.Runs(bytes, device, cores, chosen));

    [Fact]
    public void A_small_model_has_one_thread_until_the_work_is_done()
    {
        using var model = CausalLanguageModel.Load(TestData.Model("models/stories260K"), ComputePlacement.Resolve("cpu"));
        var before = torch.get_num_threads();
        try
        {
            torch.set_num_threads(3);
            using (model.UseThreads()) Assert.Equal(Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 } ? 3 : 1, torch.get_num_threads());
            Assert.Equal(3, torch.get_num_threads());
        }
        finally
        {
            torch.set_num_threads(before);
        }
    }
}
