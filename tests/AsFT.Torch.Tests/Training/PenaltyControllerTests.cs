using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

public sealed class PenaltyControllerTests : IDisposable
{
    private static readonly TrainingOptions Steered = SmallRun.Options with { Epochs = 4, RefusalTolerance = 0.05, RefusalCheckEvery = 1 };
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Lambda_falls_to_a_third_while_refusals_are_safe()
    {
        var result = SmallRun.Train(Steered with { RefusalTolerance = 100 }).Result;
        Assert.Equal(0.5 / 3, result.PenaltyWeight, 1e-6);
        Assert.Equal(result.History.OrderByDescending(report => report.PenaltyWeight), result.History);
    }

    [Fact]
    public void Lambda_follows_the_likelihood_of_refusals()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4 }, seed: 2);
        var refusals = SmallRun.Refusals();
        using var controller = new PenaltyController(model, refusals, 3, tolerance: 0.001, looks: 20, batchSize: 4);
        controller.Start();
        var start = Evaluation.CrossEntropy(model, refusals);
        Assert.Equal(start, controller.Reference.item<float>(), 1e-5);
        controller.Adjust();
        Assert.Equal(3 * Math.Pow(3, -1 / 20.0), controller.Weight().item<float>(), 1e-5);
        // Uphill, so that every step does more harm than the last.
        var batch = TrainingBatch.Create(refusals, [.. Enumerable.Range(0, refusals.Count)]);
        var hidden = model.Hidden(tensor(batch.Ids).view(batch.Rows.Length, batch.Width), SequenceLayout.RightPadded);
        var logits = model.Logits(hidden.view(-1, hidden.shape[2]).index_select(0, tensor(batch.Predictors)));
        nn.functional.cross_entropy(logits, tensor(batch.Labels), reduction: nn.Reduction.Sum).backward();
        var gradients = adapter.Layers.Select(layer => layer.B.grad!.clone()).ToArray();
        foreach (var size in new[] { 1e-4, 1e-3, 1e-2, 0.1 })
        {
            var (before, last) = (Math.Log(controller.Weight().item<float>()), Evaluation.CrossEntropy(model, refusals));
            using (no_grad()) for (var i = 0; i < gradients.Length; i++) adapter.Layers[i].B.copy_(gradients[i] * size);
            controller.Adjust();
            var now = Evaluation.CrossEntropy(model, refusals);
            // Where they will be an eighth of the run later, two and a half looks, against half of the tolerance.
            var excess = (now - start + 2.5 * (now - last)) / 0.0005 - 1;
            var expected = excess > 0 ? 0.5 * Math.Min(excess, 2) : Math.Log(3) / 20 * Math.Max(excess, -1);
            Assert.Equal(expected, Math.Log(controller.Weight().item<float>()) - before, 1e-2);
        }
        Assert.True(controller.RefusalLoss.item<float>() > 0.05, "The last update must harm them.");

        // Still in danger, yet better than at the last look.
        var reached = controller.Weight().item<float>();
        using (no_grad()) for (var i = 0; i < gradients.Length; i++) adapter.Layers[i].B.copy_(gradients[i] * 0.01);
        controller.Adjust();
        Assert.True(controller.RefusalLoss.item<float>() > 0.001);
        Assert.InRange(controller.Weight().item<float>() / reached, 0.999 * Math.Pow(3, -1 / 20.0), 1);
    }

    [Fact]
    public void The_weight_on_the_device_pulls_as_the_number_does()
    {
        // The first look comes after the last step.
        var options = Steered with { Epochs = 1, RefusalCheckEvery = 100 };
        Assert.Equal(SmallRun.Train(options with { RefusalTolerance = null }).Adapter, SmallRun.Train(options).Adapter, (a, b) => Math.Abs(a - b) < 1e-6);
        var result = SmallRun.Train(options).Result;
        Assert.Equal(0.5, result.PenaltyWeight, 1e-6);
    }

    [Fact]
    public void A_resumed_run_gives_the_bits_of_an_uninterrupted_one()
    {
        var options = Steered with { CheckpointFolder = _folder, CheckpointEvery = 1 };
        var whole = SmallRun.Train(options with { CheckpointFolder = Path.Combine(_folder, "whole") });
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => SmallRun.Train(options, cancellationToken: cancel.Token,
            progress: new SmallRun.Callback(report => { if (report.Step == 5) cancel.Cancel(); })));
        var resumed = SmallRun.Train(options with { Resume = true });
        Assert.Equal(whole.Adapter, resumed.Adapter);
        Assert.Equal(whole.Result.PenaltyWeight, resumed.Result.PenaltyWeight);
        Assert.Equal(whole.Result.RefusalLoss, resumed.Result.RefusalLoss);
        Assert.NotEqual(0.5, resumed.Result.PenaltyWeight);
    }

    [Fact]
    public void A_run_says_whether_it_ended_within_the_tolerance_and_what_to_do_where_it_did_not()
    {
        var held = SmallRun.Train(Steered with { RefusalTolerance = 100 }).Result;
        Assert.Equal((RefusalOutcome.Held, 100), (held.Refusals, held.RefusalTolerance));
        Assert.StartsWith("The held-out refusals were held: ", held.RefusalReport, StringComparison.Ordinal);
        var lost = held with { RefusalLoss = 0.00672, RefusalTolerance = 0.003, PenaltyWeight = 133.5 };
        Assert.Equal(RefusalOutcome.NotHeld, lost.Refusals);
        Assert.StartsWith("The held-out refusals were NOT held: +0.0067 nats per token, 0.003 allowed; lambda ended at 134. Start with a higher lambda", lost.RefusalReport, StringComparison.Ordinal);
        Assert.Equal(RefusalOutcome.NotHeld, (held with { RefusalLoss = double.NaN }).Refusals);
        var fixedWeight = SmallRun.Train(SmallRun.Options).Result;
        Assert.Equal((RefusalOutcome.NotMeasured, null), (fixedWeight.Refusals, fixedWeight.RefusalReport));
    }

    [Fact]
    public void A_model_that_has_no_finite_scores_for_the_refusals_is_refused_before_the_first_step()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using (no_grad()) model.Decoder.Embedding.fill_(float.NaN);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4 }, seed: 2);
        using var penalty = new AlignmentPenalty(null, adapter.Layers, new() { Projection = AlignmentProjection.None });
        var error = Assert.Throws<NonFiniteScoresException>(() => new FineTuner(model, adapter, penalty, Steered) { HeldOutRefusals = SmallRun.Refusals() }.Train(SmallRun.Examples(3, 1)));
        Assert.Contains("held-out refusal 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fixed_lambda_is_reported_and_measures_no_refusals()
    {
        var result = SmallRun.Train(SmallRun.Options).Result;
        Assert.Equal(0.5, result.PenaltyWeight);
        Assert.True(double.IsNaN(result.RefusalLoss));
        Assert.All(result.History, report => Assert.Equal(0.5, report.PenaltyWeight));
    }

    [Fact]
    public void What_steering_needs_is_asked_for()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => (Steered with { PenaltyWeight = 0 }).Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => (Steered with { RefusalTolerance = 0 }).Validate());
        Assert.Throws<ArgumentOutOfRangeException>(() => (Steered with { RefusalCheckEvery = 0 }).Validate());
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4 }, seed: 2);
        using var penalty = new AlignmentPenalty(null, adapter.Layers, new() { Projection = AlignmentProjection.None });
        var examples = SmallRun.Examples(3, 1);
        Assert.Contains("penalty", Assert.Throws<InvalidOperationException>(() => new FineTuner(model, adapter, null, Steered) { HeldOutRefusals = examples }.Train(examples)).Message, StringComparison.Ordinal);
        Assert.Contains("HeldOutRefusals", Assert.Throws<InvalidOperationException>(() => new FineTuner(model, adapter, penalty, Steered).Train(examples)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new FineTuner(model, adapter, penalty, Steered) { HeldOutRefusals = [] }.Train(examples));
    }

    [Fact]
    public void A_look_leaves_no_tensor_behind()
    {
        using var model = CausalLanguageModel.Create(SmallRun.Config, SmallRun.Placement, seed: 1);
        using var controller = new PenaltyController(model, SmallRun.Refusals(), 1, 0.1, looks: 10, batchSize: 4);
        void Look()
        {
            using var scope = NewDisposeScope();
            controller.Adjust();
            controller.Weight();
        }
        controller.Start();
        Look();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 50; i++) Look();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
