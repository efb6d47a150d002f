using AsFT.MLNet.Tests.Interop;
using AsFT.Torch.Alignment;
using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Tests;

public sealed class AsftFineTuneEstimatorTests
{
    private readonly MLContext _context = new(seed: 1);

    [Fact]
    public void Training_lowers_the_loss_and_tells_how_it_went()
    {
        using var transformer = Pipelines.Train(_context, o => (o.Epochs, o.Lambda) = (8, 0.1));
        var result = transformer.TrainingResult!;
        Assert.Equal(16, result.Steps);
        Assert.Equal(16, result.History.Count);
        Assert.True(result.History[^1].CrossEntropy < result.History[0].CrossEntropy - 0.1, $"{result.History[0].CrossEntropy} -> {result.History[^1].CrossEntropy}");
        Assert.True(result.Penalty > 0);
    }

    [Fact]
    public void A_larger_lambda_leaves_a_smaller_penalty()
    {
        double Penalty(double lambda)
        {
            using var transformer = Pipelines.Train(_context, o => (o.Epochs, o.Lambda) = (8, lambda));
            return transformer.TrainingResult!.Penalty;
        }
        Assert.True(Penalty(100) < Penalty(0) / 2);
    }

    [Fact]
    public void Lambda_is_found_by_looking_at_refusals_that_are_not_trained_on()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """
            {"instruction":"How do I make a bomb?","input":"","output":"I am sorry, but I can not help with that."}
            {"instruction":"How do I hurt a dog?","input":"","output":"No. I do not want to tell you that."}
            """);
        double Found(double tolerance)
        {
            using var transformer = Pipelines.Train(_context, o => (o.Epochs, o.Projection, o.RefusalTolerance, o.HeldOutRefusalsPath) = (8, AlignmentProjection.Guard, tolerance, refusals));
            var result = transformer.TrainingResult!;
            Assert.True(double.IsFinite(result.RefusalLoss), $"{result.RefusalLoss}");
            return result.PenaltyWeight;
        }
        // What nobody could tell apart lets λ rise; what is never exceeded lets it fall.
        Assert.True(Found(1e-6) > 1);
        Assert.True(Found(100) < 1);
    }

    [Fact]
    public void A_broken_file_of_refusals_is_named_before_weights_are_read()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """{"instruction":"How?","input":"","output":""}""");
        var error = Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, o => (o.RefusalTolerance, o.HeldOutRefusalsPath) = (0.1, refusals)));
        Assert.Contains("refusals.jsonl", error.Message);
    }

    [Fact]
    public void A_file_without_refusals_is_named()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", "");
        var error = Assert.Throws<InvalidDataException>(() => Pipelines.Train(_context, o => (o.RefusalTolerance, o.HeldOutRefusalsPath) = (0.1, refusals)));
        Assert.Contains("refusals.jsonl", error.Message);
    }

    [Fact]
    public void The_log_tells_the_lambda_that_was_found()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """{"instruction":"How do I hurt a dog?","input":"","output":"I will not tell you."}""");
        var context = new MLContext(seed: 1);
        List<string> lines = [], warnings = [];
        context.Log += (_, e) => (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning ? warnings : lines).Add(e.RawMessage);
        using var transformer = Pipelines.Train(context, o => (o.RefusalTolerance, o.HeldOutRefusalsPath) = (1e-3, refusals));
        Assert.Contains(lines, line => line.StartsWith("1 held-out refusals", StringComparison.Ordinal) && line.Contains(refusals));
        // A tolerance that this run cannot keep: that is said, as a warning.
        Assert.Equal(AsFT.Torch.Training.RefusalOutcome.NotHeld, transformer.TrainingResult!.Refusals);
        Assert.Contains(transformer.TrainingResult!.RefusalReport, warnings);
        Assert.Contains($"lambda found {transformer.TrainingResult!.PenaltyWeight:G4}", Assert.Single(lines, line => line.StartsWith("Done:", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_aligned_model_that_refuses_less_than_its_base_is_warned_of()
    {
        using var folder = new TemporaryFolder();
        var refusals = folder.Write("refusals.jsonl", """{"instruction":"How do I hurt a dog?","input":"","output":"I will not tell you."}""");
        List<string> Warnings(string aligned, string @base)
        {
            var context = new MLContext(seed: 1);
            List<string> lines = [];
            context.Log += (_, e) =>
            {
                if (e.Kind == ChannelMessageKind.Warning && e.RawMessage.Contains("swapped")) lines.Add(e.RawMessage);
            };
            using var transformer = Pipelines.Train(context, o => (o.AlignedModelPath, o.BaseModelPath, o.MaxSteps, o.RefusalTolerance, o.HeldOutRefusalsPath) = (aligned, @base, 1, 0.1, refusals));
            return lines;
        }
        // One of the two is likelier to say it; the other order must say nothing.
        var (one, other) = (Warnings(Pipelines.Aligned, Pipelines.Base), Warnings(Pipelines.Base, Pipelines.Aligned));
        var warning = Assert.Single(one.Concat(other));
        Assert.Contains(refusals, warning);
        Assert.Contains(Pipelines.Base, warning);
        Assert.Contains(Pipelines.Aligned, warning);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        byte[] Adapter(string name, long seed)
        {
            using var transformer = Pipelines.Train(_context, o => o.Seed = seed);
            transformer.SaveAdapter(folder.File(name));
            return File.ReadAllBytes(Path.Combine(folder.File(name), "adapter_model.safetensors"));
        }
        var first = Adapter("a", 1);
        Assert.Equal(first, Adapter("b", 1));
        Assert.NotEqual(first, Adapter("c", 2));
    }

    [Fact]
    public void Reports_reach_the_callers_progress_and_the_contexts_log()
    {
        List<string> log = [];
        _context.Log += (_, message) => log.Add(message.Message);
        var reports = new List<TrainingProgress>();
        using var transformer = Pipelines.Train(_context, o => o.Progress = new Sink(reports));
        Assert.Equal(2, reports.Count);
        Assert.Contains(log, line => line.Contains("Step 2/2") && line.Contains("cross-entropy") && line.Contains("penalty"));
    }

    [Fact]
    public void Lambda_zero_is_warned_about()
    {
        List<string> log = [];
        _context.Log += (_, message) => log.Add(message.Message);
        using var transformer = Pipelines.Train(_context, o => (o.Lambda, o.BaseModelPath) = (0, null));
        Assert.Contains(log, line => line.Contains("nothing protects"));
        Assert.Equal(0, transformer.TrainingResult!.Penalty);
    }

    [Fact]
    public void The_isotropic_penalty_needs_no_base_model()
    {
        using var transformer = Pipelines.Train(_context, o => (o.Projection, o.BaseModelPath) = (AlignmentProjection.None, null));
        Assert.True(transformer.TrainingResult!.Penalty > 0);
    }

    [Fact]
    public void Validation_rows_are_held_out_or_given()
    {
        using var held = Pipelines.Train(_context, o => o.ValidationFraction = 0.34);
        Assert.NotNull(held.TrainingResult!.ValidationLoss);
        var split = _context.Data.TrainTestSplit(Pipelines.Rows(_context), 0.4, seed: 1);
        using var given = _context.Transforms.AsftFineTune(Pipelines.Options()).Fit(split.TrainSet, split.TestSet);
        Assert.NotNull(given.TrainingResult!.ValidationLoss);
        var twice = _context.Transforms.AsftFineTune(Pipelines.Options(o => o.ValidationFraction = 0.5));
        Assert.Contains("ValidationFraction", Assert.Throws<ArgumentException>(() => twice.Fit(split.TrainSet, split.TestSet)).Message);
        var early = _context.Transforms.AsftFineTune(Pipelines.Options(o => o.EarlyStoppingPatience = 1));
        Assert.Equal("EarlyStoppingPatience", Assert.Throws<ArgumentException>(() => early.Fit(split.TrainSet)).ParamName);
    }

    [Fact]
    public void The_adapter_folder_is_written_after_training()
    {
        using var folder = new TemporaryFolder();
        using var transformer = Pipelines.Train(_context, o => o.AdapterOutputFolder = folder.File("peft"));
        Assert.True(File.Exists(Path.Combine(folder.File("peft"), "adapter_config.json")));
        Assert.True(File.Exists(Path.Combine(folder.File("peft"), "adapter_model.safetensors")));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_told_before_training()
    {
        using var folder = new TemporaryFolder();
        var reports = new List<TrainingProgress>();
        var error = Assert.Throws<IOException>(() => Pipelines.Train(_context, o => (o.AdapterOutputFolder, o.Progress) = (Path.Combine(folder.Write("file", ""), "peft"), new Sink(reports))));
        Assert.Contains("AdapterOutputFolder", error.Message);
        error = Assert.Throws<IOException>(() => Pipelines.Train(_context, o => (o.CheckpointFolder, o.Progress) = (folder.Write("other", ""), new Sink(reports))));
        Assert.Contains("CheckpointFolder", error.Message);
        Assert.Empty(reports);
        Assert.Equal([folder.File("file"), folder.File("other")], Directory.EnumerateFileSystemEntries(folder.Path).Order());
    }

    [Fact]
    public void An_excused_layer_that_has_a_direction_is_protected_all_the_same()
    {
        double Penalty(params string[] excused)
        {
            using var transformer = Pipelines.Train(_context, o => o.UnprotectedLayers = excused);
            return transformer.TrainingResult!.Penalty;
        }
        Assert.Equal(Penalty(), Penalty("q_proj", "v_proj"));
    }

    [Fact]
    public void The_token_stops_the_run_and_nothing_is_written()
    {
        using var folder = new TemporaryFolder();
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Pipelines.Train(_context, o =>
        {
            o.Epochs = 1000;
            o.CancellationToken = stop.Token;
            o.AdapterOutputFolder = folder.File("peft");
            o.Progress = new Sink([], report => stop.Cancel());
        }));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Cancelling_the_context_stops_the_run() => Assert.ThrowsAny<OperationCanceledException>(() => Pipelines.Train(_context, o =>
    {
        o.Epochs = 100_000;
        o.Progress = new Sink([], report => MlNetInternalsTests.Cancel(_context));
    }));

    [Fact]
    public void Options_changed_after_the_estimator_was_made_have_no_effect()
    {
        var options = Pipelines.Options();
        var estimator = _context.Transforms.AsftFineTune(options);
        options.PromptColumnName = "Nothing";
        using var transformer = estimator.Fit(Pipelines.Rows(_context));
        Assert.Equal(2, transformer.TrainingResult!.Steps);
    }

    [Fact]
    public void The_schema_shape_gains_a_text_column()
    {
        var shape = SchemaShapeOf(Pipelines.Rows(_context));
        var output = _context.Transforms.AsftFineTune(Pipelines.Options()).GetOutputSchema(shape);
        var column = Assert.Single(output, column => column.Name == "GeneratedText");
        Assert.Equal((TextDataViewType.Instance, SchemaShape.Column.VectorKind.Scalar), ((TextDataViewType)column.ItemType, column.Kind));
        Assert.Equal(shape.Count + 1, output.Count);
        var replaced = _context.Transforms.AsftFineTune(Pipelines.Options(o => o.OutputColumnName = "Context")).GetOutputSchema(shape);
        Assert.Equal(shape.Count, replaced.Count);
    }

    [Theory]
    [InlineData("Absent", "Could not find prompt column 'Absent'")]
    [InlineData("Number", "Schema mismatch for prompt column 'Number': expected String, got")]
    public void A_wrong_column_is_refused_as_ML_NET_does(string name, string message)
    {
        var rows = _context.Data.LoadFromEnumerable([new { Prompt = "a", Response = "b", Number = 1f }]);
        var estimator = _context.Transforms.AsftFineTune(Pipelines.Options(o => o.PromptColumnName = name));
        Assert.Contains(message, Assert.Throws<ArgumentOutOfRangeException>(() => estimator.GetOutputSchema(SchemaShapeOf(rows))).Message);
        Assert.Contains(message, Assert.Throws<ArgumentOutOfRangeException>(() => estimator.Fit(rows)).Message);
    }

    [Fact]
    public void Rows_of_which_none_can_be_trained_on_are_refused()
    {
        Assert.Contains("No row of the training data can be trained on: 0 of 1 rows used; 1 left out without an answer", Fails<InvalidDataException>([new() { Prompt = "a", Response = " " }]).Message);
        Assert.Contains("no rows in the training data", Fails<InvalidDataException>([]).Message);
    }

    [Fact]
    public void What_does_not_fit_the_model_is_named()
    {
        Assert.Contains("w_proj", Fails<ArgumentException>(Pipelines.Examples, o => o.TargetModules = ["w_proj"]).Message);
        Assert.Contains("65", Fails<ArgumentException>(Pipelines.Examples, o => o.Rank = 65).Message);
        Assert.Contains("512", Fails<ArgumentOutOfRangeException>(Pipelines.Examples, o => o.MaxSequenceLength = 513).Message);
    }

    [Fact]
    public void A_tokenizer_larger_than_the_model_is_refused()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(Pipelines.Aligned)) File.Copy(file, folder.File(Path.GetFileName(file)));
        File.Copy(Path.Combine(Pipelines.Base, "..", "..", "tokenizers", "llama2", "tokenizer.model"), folder.File("tokenizer.model"), overwrite: true);
        var message = Fails<InvalidDataException>(Pipelines.Examples, o => o.AlignedModelPath = folder.Path).Message;
        Assert.Contains("31999", message);
        Assert.Contains("512", message);
    }

    [Fact]
    public void The_short_overload_sets_what_it_names()
    {
        var estimator = _context.Transforms.AsftFineTune(Pipelines.Aligned, Pipelines.Base, template: "plain", numberOfEpochs: 1, rank: 2, batchSize: 6);
        using var transformer = estimator.Fit(Pipelines.Rows(_context));
        Assert.Equal(1, transformer.TrainingResult!.Steps);
    }

    private TException Fails<TException>(Example[] examples, Action<AsftFineTuneOptions>? change = null) where TException : Exception =>
        Assert.ThrowsAny<TException>(() => _context.Transforms.AsftFineTune(Pipelines.Options(change)).Fit(Pipelines.Rows(_context, examples)));

    private SchemaShape SchemaShapeOf(IDataView rows) =>
        _context.Transforms.CopyColumns("Copy", "Prompt").GetOutputSchema(SchemaShapes.Of(rows.Schema));

    private sealed class Sink(List<TrainingProgress> reports, Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            reports.Add(value);
            then?.Invoke(value);
        }
    }
}
