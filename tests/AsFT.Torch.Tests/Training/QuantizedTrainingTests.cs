using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Models.Families;
using AsFT.Torch.Tests.Models.Weights;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Training;

/// <summary>LoRA on frozen quantised weights, with the penalty.</summary>
public sealed class QuantizedTrainingTests : IDisposable
{
    private static readonly TrainingOptions Options = new() { Epochs = 6, BatchSize = 4, LearningRate = 5e-3, PenaltyWeight = 0.1, ReportEvery = 1 };

    private readonly FamilyFolder _family = FamilyFolder.Open("olmo2");
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _family.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Nf4)]
    public void ARunLearnsAndGivesTheSameBitsWithCheckpointing(WeightFormat format)
    {
        var (kept, adapter) = Train(format, Options);
        var (recomputed, same) = Train(format, Options with { ActivationCheckpointing = true });
        Assert.True(kept.History[^1].CrossEntropy < kept.History[0].CrossEntropy - 0.1, $"{kept.History[0].CrossEntropy} to {kept.History[^1].CrossEntropy}");
        Assert.True(kept.Penalty > 0);
        Assert.Equal(kept.History.Select(step => step.CrossEntropy), recomputed.History.Select(step => step.CrossEntropy));
        Assert.Equal(adapter, same);
        // Close to the dense model's course, and not equal to it.
        var (dense, _) = Train(WeightFormat.Dense, Options);
        Assert.Equal(dense.History[0].CrossEntropy, kept.History[0].CrossEntropy, 0.2);
        Assert.NotEqual(dense.History[0].CrossEntropy, kept.History[0].CrossEntropy);
    }

    [Fact]
    public void AnAdapterTellsOnWhatItWasTrained()
    {
        using (var model = Model(WeightFormat.Nf4))
        using (var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 2 }, seed: 1))
        {
            adapter.Save(_folder.Path);
            Assert.Contains("Nf4", Assert.Throws<InvalidOperationException>(adapter.Merge).Message, StringComparison.Ordinal);
            Assert.Contains("Saving", Assert.Throws<InvalidOperationException>(() => model.Save(_folder["x"])).Message, StringComparison.Ordinal);
        }
        // It goes onto the same files however they are held.
        using var dense = Model(WeightFormat.Dense);
        using var loaded = LoraAdapter.Load(dense.LinearLayers(), _folder.Path);
        Assert.Equal((WeightFormat.Nf4, true), (loaded.WeightFormat, loaded.IsOfThisModel));
    }

    [Fact]
    public void ARunGoesOnInItsOwnFormatAlone()
    {
        var whole = Train(WeightFormat.Nf4, Options).Adapter;
        var options = Options with { CheckpointFolder = _folder.Path };
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Train(WeightFormat.Nf4, options with { CheckpointEvery = 1 }, new SmallRun.Callback(report => { if (report.Step == 3) cancel.Cancel(); }), cancel.Token));
        var error = Assert.Throws<InvalidDataException>(() => Train(WeightFormat.Dense, options with { Resume = true }));
        Assert.Contains("held as Nf4; those of this run are Dense", error.Message, StringComparison.Ordinal);
        Assert.Equal(whole, Train(WeightFormat.Nf4, options with { Resume = true }).Adapter);
    }

    [Fact]
    public void ADirectionOfQuantisedFilesIsRefusedUnlessItIsAllowed()
    {
        StoredModel.Write(_family["aligned"], _folder.Path, WeightFormat.Int8);
        using var stored = ModelCheckpoint.Open(_folder.Path);
        using var baseline = ModelCheckpoint.Open(_family["base"]);
        using var aligned = ModelCheckpoint.Open(_family["aligned"]);
        const string Layer = "model.layers.0.self_attn.q_proj";
        foreach (var (left, right, role) in new[] { (stored, baseline, "aligned"), (baseline, stored, "base") })
        {
            var error = Assert.Throws<InvalidDataException>(() => AlignmentDirection.Build(left, right, [Layer]));
            Assert.Contains($"stored as Int8 in the {role} model", error.Message, StringComparison.Ordinal);
            Assert.Contains("error of quantising", error.Message, StringComparison.Ordinal);
        }
        using var scope = NewDisposeScope();
        using var allowed = AlignmentDirection.Build(stored, baseline, [Layer], allowQuantized: true);
        using var exact = AlignmentDirection.Build(aligned, baseline, [Layer]);
        // Here the models are far apart; 1 % of the weights is little of that.
        Assert.InRange(((allowed.Find(Layer)! - exact.Find(Layer)!).norm() / exact.Find(Layer)!.norm()).item<float>(), 1e-4, 0.5);
    }

    [Fact]
    public void OtherTrainersRefuseWhatTheyCannotWriteTo()
    {
        using var model = Model(WeightFormat.Int8);
        Assert.Contains("Int8", Assert.Throws<InvalidOperationException>(() => new FullParameterTrainer(model, Options).Train(Examples())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(FamilyFolder.Names), MemberType = typeof(FamilyFolder))]
    public void EveryFamilyIsHeldQuantised(string name)
    {
        using var family = FamilyFolder.Open(name);
        using var scope = NewDisposeScope();
        var ids = tensor(family.Rows[0].Select(id => (long)id).ToArray()).unsqueeze(0);
        using var dense = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        var exact = dense.LogitsOf(ids);
        foreach (var (format, most) in new[] { (WeightFormat.Int8, 0.05), (WeightFormat.Nf4, 0.6) })
        {
            using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement(), format);
            var logits = model.LogitsOf(ids);
            Assert.InRange(((logits - exact).norm() / exact.norm()).item<float>(), 1e-4, most);
            Assert.All(model.LinearLayers(), layer => Assert.Equal(layer.Name.Contains(".layers.", StringComparison.Ordinal) ? format : WeightFormat.Dense, layer.Weight.Format));
        }
    }

    private CausalLanguageModel Model(WeightFormat format) => CausalLanguageModel.Load(_family["aligned"], TinyLlama.Placement(), format);

    private (TrainingResult History, float[] Adapter) Train(WeightFormat format, TrainingOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var model = Model(format);
        using var adapter = LoraAdapter.Attach(model.LinearLayers(), new LoraOptions { Rank = 4, Dropout = 0.1, TargetModules = ["all-linear"] }, seed: 2);
        using var aligned = ModelCheckpoint.Open(_family["aligned"]);
        using var baseline = ModelCheckpoint.Open(_family["base"]);
        using var direction = AlignmentDirection.Build(aligned, baseline, adapter.Layers.Select(layer => layer.Name));
        using var penalty = new AlignmentPenalty(direction, adapter.Layers, new AlignmentPenaltyOptions());
        var result = new FineTuner(model, adapter, penalty, options).Train(Examples(), progress: progress, cancellationToken: cancellationToken);
        return (result, [.. adapter.Layers.SelectMany(layer => new[] { layer.A, layer.B }).SelectMany(p => p.detach().data<float>().ToArray())]);
    }

    private static List<TokenizedExample> Examples() => SmallRun.Examples(8, seed: 3);
}
