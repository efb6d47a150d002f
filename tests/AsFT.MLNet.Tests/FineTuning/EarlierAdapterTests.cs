using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.FineTuning;

/// <summary>Runs that go on from an adapter.</summary>
public sealed class EarlierAdapterTests : IDisposable
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_adapter_is_trained_further_from_where_it_is_with_the_whole_of_its_update_in_the_penalty()
    {
        var (adapter, first, perplexity) = Trained(o => (o.Rank, o.TargetModules, o.Dropout) = (3, ["q_proj", "o_proj"], 0));
        using var further = Pipelines.Train(_context, o => (o.AdapterPath, o.BatchSize, o.MaxSteps, o.Dropout) = (adapter, 6, 1, 0));
        var begun = further.TrainingResult!.History[0];
        Assert.Equal(Math.Log(perplexity), begun.CrossEntropy, 1e-5);
        Assert.Equal(first.Penalty, begun.Penalty, 1e-6 * Math.Max(1, first.Penalty));
        Assert.Matches("^adapter, SHA-256 [0-9a-f]{64}$", further.TrainingResult.ContinuedFrom);
        Assert.Null(first.ContinuedFrom);
        Assert.True(_context.EvaluatePerplexity(Pipelines.Rows(_context), further) < perplexity);

        // What was trained is what is saved, whatever the options' defaults.
        _context.Model.Save(further, null, _folder.File("model.zip"));
        AsftFineTuneOptions? saved = null;
        using var loaded = (IDisposable)_context.Model.LoadAsft(_folder.File("model.zip"), new AsftLoadOptions { Configure = o => saved = o }, out _);
        Assert.Equal((3, "adapter"), (saved!.Rank, saved.AdapterPath));
        Assert.Equal(Answers(further), Answers((ITransformer)loaded));
    }

    [Fact]
    public void The_bits_of_a_run_that_goes_on_follow_from_adapter_and_seed()
    {
        var (adapter, _, _) = Trained(null);
        using var once = Pipelines.Train(_context, o => o.AdapterPath = adapter);
        using var twice = Pipelines.Train(_context, o => o.AdapterPath = adapter);
        Assert.Equal(once.TrainingResult!.History.Select(report => report.CrossEntropy), twice.TrainingResult!.History.Select(report => report.CrossEntropy));
        Assert.Equal(Answers(once), Answers(twice));
    }

    [Theory]
    [InlineData("Rank", "Rank is 8; the adapter in")]
    [InlineData("Alpha", "has 32. Leave Alpha out")]
    [InlineData("UseRsLora", "UseRsLora is True")]
    [InlineData("TargetModules", "k_proj")]
    [InlineData("Paper", "Rank is 8")]
    public void An_option_that_asks_for_another_adapter_is_refused_by_its_name_even_at_its_default(string option, string words)
    {
        var (adapter, _, _) = Trained(o => (o.Rank, o.Alpha, o.MaxSteps) = (4, 32, 1));
        var error = Assert.Throws<ArgumentException>(() => Pipelines.Train(_context, o =>
        {
            o.AdapterPath = adapter;
            if (option == "Rank") o.Rank = 8;
            if (option == "Alpha") o.Alpha = 16;
            if (option == "UseRsLora") o.UseRsLora = true;
            if (option == "TargetModules") o.TargetModules = ["q_proj", "k_proj"];
            if (option == "Paper") o.Rank = AsftFineTuneOptions.Paper().Rank;
        }));
        Assert.Equal(option == "Paper" ? "Rank" : option, error.ParamName);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        // What says the same is no contradiction.
        using var same = Pipelines.Train(_context, o => (o.AdapterPath, o.Rank, o.Alpha, o.TargetModules, o.MaxSteps) = (adapter, 4, 32, ["v_proj", "q_proj"], 1));
    }

    [Fact]
    public void An_adapter_of_another_model_is_refused_unless_that_is_allowed_and_then_said()
    {
        var (adapter, _, _) = Trained(o => o.MaxSteps = 1);
        void OnBase(AsftFineTuneOptions o) => (o.AlignedModelPath, o.BaseModelPath, o.AdapterPath, o.MaxSteps) = (Pipelines.Base, Pipelines.Aligned, adapter, 1);
        Assert.Contains("trained on another model", Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, OnBase)).Message, StringComparison.Ordinal);
        var lines = new List<string>();
        _context.Log += (_, e) => lines.Add(e.Message);
        using var allowed = Pipelines.Train(_context, o =>
        {
            OnBase(o);
            o.AllowOtherModel = true;
        });
        Assert.Contains(lines, line => line.Contains("was trained on another model", StringComparison.Ordinal));
        Assert.Contains("nowhere", Assert.Throws<ArgumentException>(() => Pipelines.Train(_context, o => o.AdapterPath = "nowhere")).Message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, o => o.AdapterPath = _folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_is_not_resumed_from_another_adapter()
    {
        var (adapter, _, _) = Trained(o => o.MaxSteps = 1);
        void Resuming(AsftFineTuneOptions o) => (o.AdapterPath, o.CheckpointFolder, o.CheckpointEvery, o.Resume) = (adapter, _folder.File("checkpoints"), 1, true);
        using var first = Pipelines.Train(_context, Resuming);
        using var resumed = Pipelines.Train(_context, Resuming);
        Assert.Equal(Answers(first), Answers(resumed));
        Trained(o => (o.MaxSteps, o.Seed) = (1, 99));
        Assert.Contains("training-state", Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, Resuming)).Message, StringComparison.Ordinal);
    }

    private (string Adapter, AsFT.Torch.Training.TrainingResult Result, double Perplexity) Trained(Action<AsftFineTuneOptions>? change)
    {
        using var model = Pipelines.Train(_context, change);
        model.SaveAdapter(_folder.File("adapter"));
        return (_folder.File("adapter"), model.TrainingResult!, _context.EvaluatePerplexity(Pipelines.Rows(_context), model));
    }

    private string[] Answers(ITransformer model) => [.. model.Transform(Pipelines.Rows(_context)).GetColumn<string>("GeneratedText")];
}
