using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Safety.Judges;

/// <summary>Live tensors are counted for the whole process, so these tests run alone.</summary>
[CollectionDefinition(nameof(JudgeMemoryTests), DisableParallelization = true)]
[Collection(nameof(JudgeMemoryTests))]
public sealed class JudgeMemoryTests : IDisposable
{
    private static readonly ComputePlacement Cpu = ComputePlacement.Resolve("cpu", "float32");

    private readonly string _root = Directory.CreateTempSubdirectory("asft-judge-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Judging_leaves_no_tensor_behind()
    {
        PromptAnswer[] answers = [new("Hi", "Hello there."), new("What is 2 + 2?", "It is 4, as everybody knows.")];
        using var judge = ModerationModelJudge.Load(TestJudge.Write(_root, ["a", "b"]), placement: Cpu);
        await judge.JudgeAsync(answers);
        long before = Tensor.TotalCount;
        for (var i = 0; i < 5; i++) await judge.JudgeAsync(answers);
        Assert.True(Tensor.TotalCount <= before, $"{Tensor.TotalCount - before} tensors were left behind.");
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        JudgeExample[] examples = [.. Enumerable.Range(0, 6).Select(i => new JudgeExample($"Question {i}?", "An answer.", new Dictionary<string, bool> { ["a"] = i % 2 == 0 }))];
        long Left(int epochs)
        {
            var before = Live();
            JudgeTrainer.Train(TestData.Model("models/stories260K"), examples, Path.Combine(_root, $"judge-{epochs}"),
                new() { Training = new() { Epochs = epochs, BatchSize = 3, ReportEvery = 1 } }, examples, Cpu);
            return Live() - before;
        }
        Left(1);
        // TorchSharp's count grows by one for each Parameter ever made, freed or not; beyond that nothing may stay per step or epoch. What
        // other tests left is finalized whenever it happens to be, so the counts may differ by a few.
        var (few, many) = (Left(1), Left(20));
        Assert.True(many - few < 20 - 1, $"One epoch leaves {few} tensors, twenty leave {many}.");
    }

    // Views that a run hands to libtorch are freed by their finalizers.
    private static long Live()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
