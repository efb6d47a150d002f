using AsFT.Lab.Methods.Lisa;
using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Methods.Lisa;

public sealed class LisaTrainerTests
{
    private static readonly TrainingOptions Options = new() { Epochs = 2, BatchSize = 2, LearningRate = 0.01, Schedule = LearningRateSchedule.Constant, PenaltyWeight = 0 };
    private static readonly TokenizedExample[] Task = Examples(1), Alignment = Examples(2);

    [Fact]
    public void Both_losses_fall_and_a_strong_proximal_term_keeps_the_weights_near_their_start()
    {
        double Before(TokenizedExample[] examples) { using var model = TinyLlama.Create(); return Evaluation.CrossEntropy(model, examples, cancellationToken: TestContext.Current.CancellationToken); }
        var (task, alignment, free) = Run(new() { AlignmentSteps = 2, TaskSteps = 2, ProximalWeight = 0 });
        Assert.True(task < Before(Task) && alignment < Before(Alignment), $"{task} {alignment}");
        var (_, _, held) = Run(new() { AlignmentSteps = 2, TaskSteps = 2, ProximalWeight = 1000 });
        Assert.True(held < 0.7 * free, $"{held} {free}");
    }

    [Fact]
    public void The_task_gets_its_steps_whatever_the_turns_and_the_same_seed_gives_the_same_weights()
    {
        foreach (var turns in new[] { (1, 1), (3, 2), (1, 100) })
        {
            using var model = TinyLlama.Create();
            using var adapter = LoraAdapter.Attach(model.LinearLayers(), new() { Rank = 2, Dropout = 0 }, 1);
            var result = new LisaTrainer(model, adapter, Options, new() { AlignmentSteps = turns.Item1, TaskSteps = turns.Item2 }).Train(Task, Alignment, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(8, result.Steps);
            Assert.True(double.IsFinite(result.CrossEntropy));
        }
        Assert.Equal(Run(new() { AlignmentSteps = 1, TaskSteps = 3 }), Run(new() { AlignmentSteps = 1, TaskSteps = 3 }));
    }

    [Fact]
    public void Without_a_proximal_term_and_with_the_task_as_alignment_data_of_no_steps_it_cannot_be_asked_for()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new LisaOptions { AlignmentSteps = 0 }.Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => new LisaOptions { ProximalWeight = double.NaN }.Validate());
    }

    private static (double Task, double Alignment, double Norm) Run(LisaOptions lisa)
    {
        using var model = TinyLlama.Create();
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new() { Rank = 2, Dropout = 0 }, 1);
        new LisaTrainer(model, adapter, Options with { Epochs = 4 }, lisa).Train(Task, Alignment, cancellationToken: TestContext.Current.CancellationToken);
        using var scope = NewDisposeScope();
        var norm = Math.Sqrt(adapter.Layers.Sum(layer => layer.B.detach().square().sum().to(ScalarType.Float64).item<double>()));
        return (Evaluation.CrossEntropy(model, Task, cancellationToken: TestContext.Current.CancellationToken), Evaluation.CrossEntropy(model, Alignment, cancellationToken: TestContext.Current.CancellationToken), norm);
    }

    private static TokenizedExample[] Examples(int seed) => [.. Enumerable.Range(0, 8).Select(i =>
    {
        var ids = TinyLlama.RandomIds(10, seed * 100 + i).Select(id => (int)id).ToArray();
        return new TokenizedExample(ids, [.. ids.Select((_, t) => t > 4)]);
    })];
}
