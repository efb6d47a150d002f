using System.Text.Json;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;

namespace AsFT.MLNet.Cli.Tests.Commands;

public sealed class BenchMemoryTests
{
    private static readonly ModelConfig Config = new()
    {
        VocabularySize = 8000,
        HiddenSize = 512,
        IntermediateSize = 1408,
        LayerCount = 6,
        HeadCount = 8,
        KeyValueHeadCount = 8,
        HeadSize = 64,
        MaxPositions = 1024,
    };

    // Large enough that most of the peak is the model's and not the process's own.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_plan_tells_the_peak_memory_of_a_process_that_trains(bool checkpointing)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Resident memory is read where Linux tells it.");
        using var folder = new TemporaryFolder();
        var (aligned, baseline) = (folder.File("aligned"), folder.File("base"));
        Write(aligned, seed: 1);
        Write(baseline, seed: 2);
        var outcome = SelfProcess.Run(["bench", "--threads", "2", "--child", "training", aligned, baseline, "4", "256", $"{checkpointing}", "cpu", "float32"],
            TestContext.Current.CancellationToken);
        Assert.True(outcome.ExitCode == ExitCode.Success, outcome.Error);
        using var figures = JsonDocument.Parse(outcome.Output);
        var (planned, peak) = (figures.RootElement.GetProperty("PlannedBytes").GetDouble(), figures.RootElement.GetProperty("Peak").GetDouble());
        Assert.True(Math.Abs(planned / peak - 1) <= 0.15, $"{peak / (1 << 20):0} MiB at the peak; planned {figures.RootElement.GetProperty("Plan").GetString()}");
    }

    private static void Write(string folder, long seed)
    {
        using var model = CausalLanguageModel.Create(Config, new ComputePlacement(torch.CPU, torch.ScalarType.BFloat16), seed);
        model.Save(folder);
    }
}
