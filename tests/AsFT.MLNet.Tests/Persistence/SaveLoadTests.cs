using System.Text;
using AsFT.Torch.Alignment;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Persistence;

public sealed class SaveLoadTests(TrainedFixture trained) : IClassFixture<TrainedFixture>, IDisposable
{
    private readonly MLContext _context = new(seed: 7);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_loaded_model_gives_the_same_answers_and_the_same_adapter()
    {
        var path = Save(trained.Transformer);
        var loaded = _context.Model.Load(path, out var schema);
        Assert.Contains(schema, column => column.Name == "Prompt");
        Assert.Equal(Answers(trained.Transformer), Answers(loaded));
        using var transformer = Transformer(loaded);
        trained.Transformer.SaveAdapter(_folder.File("a"));
        transformer.SaveAdapter(_folder.File("b"));
        foreach (var file in new[] { "adapter_model.safetensors", "adapter_config.json" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.File("a"), file)), File.ReadAllBytes(Path.Combine(_folder.File("b"), file)));
        Assert.Equal(trained.Transformer.TrainingResult!.CrossEntropy, transformer.TrainingResult!.CrossEntropy);
        Assert.Equal(trained.Transformer.TrainingResult.History, transformer.TrainingResult.History);
    }

    [Fact]
    public void A_loaded_model_can_be_saved_again()
    {
        using var first = Transformer(_context.Model.Load(Save(trained.Transformer), out _));
        using var second = Transformer(_context.Model.Load(Save(first, "again.zip"), out _));
        Assert.Equal(Answers(trained.Transformer), Answers(second));
    }

    [Fact]
    public async Task A_second_process_that_names_no_type_of_ours_gives_the_same_answers()
    {
        var path = Save(trained.Transformer);
        var output = await SecondProcess.LoadAsync(path, _folder.Path, Pipelines.Examples.Select(example => example.Prompt));
        var answers = output["answer"].Select(answer => Encoding.UTF8.GetString(Convert.FromBase64String(answer)));
        Assert.Equal(Answers(trained.Transformer), answers);
    }

    [Fact]
    public void The_guard_and_how_lambda_was_found_survive_and_the_refusals_are_no_longer_needed()
    {
        var refusals = _folder.Write("refusals.jsonl", """{"instruction":"How do I hurt a dog?","input":"","output":"I will not tell you."}""");
        using var transformer = Pipelines.Train(_context, o => (o.Projection, o.GuardPower, o.Lambda, o.RefusalTolerance, o.RefusalCheckEvery, o.HeldOutRefusalsPath) =
            (AlignmentProjection.Guard, 3, 10, 0.01, 2, refusals));
        var path = Save(transformer);
        File.Delete(refusals);
        AsftFineTuneOptions? read = null;
        using var loaded = Transformer(_context.Model.LoadAsft(path, new AsftLoadOptions { Configure = options => read = options }, out _));
        Assert.Equal((AlignmentProjection.Guard, 3, 10), (read!.Projection, read.GuardPower, read.Lambda));
        Assert.Equal((0.01, 2, "refusals.jsonl"), (read.RefusalTolerance, read.RefusalCheckEvery, read.HeldOutRefusalsPath));
        Assert.Equal(transformer.TrainingResult!.PenaltyWeight, loaded.TrainingResult!.PenaltyWeight);
        Assert.NotEqual(10, loaded.TrainingResult.PenaltyWeight);
        Assert.Equal(Answers(transformer), Answers(loaded));
    }

    [Fact]
    public void A_whole_pipeline_survives()
    {
        var rows = Pipelines.Rows(_context);
        var pipeline = _context.Transforms.CopyColumns("Question", "Prompt")
            .Append(_context.Transforms.AsftFineTune(Pipelines.Options(o => o.PromptColumnName = "Question")))
            .Append(_context.Transforms.CopyColumns("Final", "GeneratedText"));
        using var model = pipeline.Fit(rows);
        var path = _folder.File("pipeline.zip");
        _context.Model.Save(model, rows.Schema, path);
        var loaded = new MLContext().Model.Load(path, out _);
        Assert.Equal(model.Transform(rows).GetColumn<string>("Final"), loaded.Transform(rows).GetColumn<string>("Final"));
        (loaded as IDisposable)?.Dispose();
    }

    [Fact]
    public void Weights_are_not_read_before_an_answer_is_asked_for()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => o.AlignedModelPath = model);
        using var loaded = Transformer(_context.Model.Load(Save(transformer), out _));
        Directory.Delete(model, recursive: true);
        Assert.Equal(Pipelines.Examples.Length, loaded.Transform(Pipelines.Rows(_context)).GetColumn<string>("Prompt").Count());
        Assert.ThrowsAny<SystemException>(() => Answers(loaded));
    }

    [Fact]
    public void A_model_that_is_gone_changed_or_moved_is_told_apart()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => o.AlignedModelPath = model);
        var path = Save(transformer);
        var expected = Answers(transformer);

        var moved = _folder.File("moved");
        Directory.Move(model, moved);
        var gone = Messages(() => _context.Model.Load(path, out _));
        Assert.Contains(model, gone);
        Assert.Contains("LoadAsft", gone);

        var here = new AsftLoadOptions { ModelPath = moved };
        using var relocated = Transformer(_context.Model.LoadAsft(path, here, out _));
        Assert.Equal(expected, Answers(relocated));
        Assert.Equal(moved, relocated.ModelPath);
        using var again = Transformer(_context.Model.Load(Save(relocated, "again.zip"), out _));
        Assert.Equal(moved, again.ModelPath);

        var weights = Path.Combine(moved, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.Delete(weights);
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("SHA-256", Messages(() => _context.Model.LoadAsft(path, here, out _)));
        File.WriteAllBytes(weights, bytes[..^4]);
        Assert.Contains($"has {bytes.Length - 4} bytes, not {bytes.Length}", Messages(() => _context.Model.LoadAsft(path, here, out _)));
        File.Delete(weights);
        Assert.Contains("'model.safetensors' is missing", Messages(() => _context.Model.LoadAsft(path, here, out _)));
        Assert.Contains("nowhere", Assert.Throws<DirectoryNotFoundException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions { ModelPath = "nowhere" }, out _)).Message);
    }

    [Fact]
    public void A_model_beside_the_zip_is_found()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => o.AlignedModelPath = model);
        var path = Save(transformer);
        var elsewhere = _folder.File("elsewhere");
        Directory.CreateDirectory(elsewhere);
        Directory.Move(model, Path.Combine(elsewhere, "model"));
        File.Move(path, Path.Combine(elsewhere, "model.zip"));
        using var loaded = Transformer(_context.Model.LoadAsft(Path.Combine(elsewhere, "model.zip"), new AsftLoadOptions(), out _));
        Assert.Equal(Answers(transformer), Answers(loaded));
    }

    [Fact]
    public void What_concerns_answering_can_be_changed_on_loading()
    {
        using var loaded = Transformer(_context.Model.LoadAsft(Save(trained.Transformer), new AsftLoadOptions
        {
            Device = "cpu",
            Configure = options => (options.MaxNewTokens, options.OutputColumnName) = (1, "Short"),
        }, out _));
        var @short = loaded.Transform(Pipelines.Rows(_context)).GetColumn<string>("Short");
        Assert.All(Answers(trained.Transformer).Zip(@short), pair => Assert.StartsWith(pair.Second, pair.First));
        Assert.NotEqual(Answers(trained.Transformer), @short);
    }

    [Fact]
    public void A_seed_that_is_taken_away_on_loading_is_the_contexts()
    {
        var path = Save(trained.Transformer);
        Assert.Equal(Sampled(new(seed: 7), 7), Sampled(new(seed: 7), null));
        Assert.NotEqual(Sampled(new(seed: 8), 7), Sampled(new(seed: 8), null));

        string[] Sampled(MLContext context, long? seed)
        {
            using var loaded = Transformer(context.Model.LoadAsft(path, new AsftLoadOptions { Configure = options => (options.Temperature, options.Seed) = (1, seed) }, out _));
            return [.. Answers(loaded)];
        }
    }

    [Fact]
    public void Wrong_options_are_refused_on_loading_too()
    {
        var path = Save(trained.Transformer);
        void Load(Action<AsftFineTuneOptions> configure) => _context.Model.LoadAsft(path, new AsftLoadOptions { Configure = configure }, out _);
        Assert.Equal("GenerationBatchSize", Assert.Throws<ArgumentOutOfRangeException>(() => Load(options => options.GenerationBatchSize = 0)).ParamName);
        Assert.Equal("OutputColumnName", Assert.Throws<ArgumentException>(() => Load(options => options.OutputColumnName = "")).ParamName);
        Assert.Contains("mistral", Assert.Throws<ArgumentException>(() => Load(options => options.Template = "mistral")).Message);
    }

    [Fact]
    public void A_file_that_no_reader_looks_at_may_join_the_model()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => o.AlignedModelPath = model);
        var path = Save(transformer);
        File.WriteAllText(Path.Combine(model, "direction.safetensors"), "anything");
        using (var loaded = Transformer(_context.Model.Load(path, out _))) Assert.Equal(Answers(transformer), Answers(loaded));
        File.WriteAllText(Path.Combine(model, "added_tokens.json"), "{}");
        Assert.Contains("'added_tokens.json' was not there", Messages(() => _context.Model.LoadAsft(path, new AsftLoadOptions { ModelPath = model }, out _)));
    }

    [Fact]
    public void A_merged_model_never_takes_the_place_of_another()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => o.AlignedModelPath = model);
        var before = File.ReadAllBytes(Path.Combine(model, "model.safetensors"));
        Assert.Throws<ArgumentException>(() => transformer.SaveMergedModel(model + Path.DirectorySeparatorChar));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(model, "model.safetensors")));
        var other = Copy("other");
        Assert.Contains("holds another model already", Assert.Throws<IOException>(() => transformer.SaveMergedModel(other)).Message);
    }

    [Fact]
    public void The_whole_model_can_travel_in_the_zip()
    {
        var model = Copy("model");
        using var transformer = Pipelines.Train(_context, o => (o.AlignedModelPath, o.SaveWholeModel) = (model, true));
        var path = Save(transformer);
        var expected = Answers(transformer);
        Directory.Delete(model, recursive: true);
        var loaded = Transformer(_context.Model.Load(path, out _));
        Assert.Equal(expected, Answers(loaded));
        Assert.True(Directory.Exists(loaded.ModelPath));
        loaded.Dispose();
        Assert.False(Directory.Exists(loaded.ModelPath));
    }

    [Fact]
    public void A_zip_that_lacks_a_part_or_names_a_path_is_refused()
    {
        var path = Save(trained.Transformer);
        ZipEdit.Text(path, "adapter_model.safetensors", null);
        Assert.Contains("adapter_model.safetensors", Messages(() => _context.Model.Load(path, out _)));
        path = Save(trained.Transformer);
        ZipEdit.Text(path, "asft.json", json => json.Replace("\"config.json\"", "\"../config.json\""));
        Assert.Contains("leaves the model's folder", Messages(() => _context.Model.Load(path, out _)));
        path = Save(trained.Transformer);
        ZipEdit.Text(path, "asft.json", json => json[..^20]);
        Assert.Contains("(part asft.json)", Messages(() => _context.Model.Load(path, out _)));
    }

    private string Save(ITransformer transformer, string name = "model.zip")
    {
        _context.Model.Save(transformer, Pipelines.Rows(_context).Schema, _folder.File(name));
        return _folder.File(name);
    }

    private string Copy(string name)
    {
        Directory.CreateDirectory(_folder.File(name));
        foreach (var file in Directory.EnumerateFiles(Pipelines.Aligned)) File.Copy(file, Path.Combine(_folder.File(name), Path.GetFileName(file)));
        return _folder.File(name);
    }

    private string[] Answers(ITransformer transformer) => [.. transformer.Transform(Pipelines.Rows(_context)).GetColumn<string>("GeneratedText")];

    private static AsftFineTuneTransformer Transformer(ITransformer loaded) =>
        loaded as AsftFineTuneTransformer ?? Assert.IsType<AsftFineTuneTransformer>(Assert.Single((TransformerChain<ITransformer>)loaded));

    // ML.NET may wrap what a loader throws.
    private static string Messages(Action action)
    {
        var text = new StringBuilder();
        for (Exception? error = Assert.ThrowsAny<Exception>(action); error is not null; error = error.InnerException) text.AppendLine(error.Message);
        return text.ToString();
    }
}
