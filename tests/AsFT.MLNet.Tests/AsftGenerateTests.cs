using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests;

/// <summary>Models that answer without having been trained here.</summary>
public sealed class AsftGenerateTests(TrainedFixture trained) : IClassFixture<TrainedFixture>, IDisposable
{
    private static readonly AsftGenerateOptions Short = new() { Template = "plain", Device = "cpu", MaxNewTokens = 8, GenerationBatchSize = 4 };
    private readonly MLContext _context = new(seed: 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_adapter_answers_as_it_did_when_it_was_trained_here_and_in_a_process_that_names_no_type_of_ours()
    {
        using var model = Fit(Adapter());
        Assert.Equal(Answers(trained.Transformer), Answers(model));
        Assert.Null(model.TrainingResult);
        model.SaveAdapter(_folder.File("again"));
        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.File("adapter"), "adapter_model.safetensors")), File.ReadAllBytes(Path.Combine(_folder.File("again"), "adapter_model.safetensors")));
        // The zip needs the adapter's folder no more.
        Directory.Delete(_folder.File("adapter"), recursive: true);
        Assert.Equal(Answers(trained.Transformer), await AnswersOfSecondProcess(Save(model)));
    }

    [Fact]
    public async Task A_model_without_an_adapter_answers_as_it_is_also_out_of_a_zip()
    {
        using var model = Fit(null);
        var answers = Answers(model);
        Assert.NotEqual(Answers(trained.Transformer), answers);
        var path = Save(model);
        Assert.Equal(answers, await AnswersOfSecondProcess(path));
        AsftFineTuneOptions? read = null;
        using var loaded = (IDisposable)_context.Model.LoadAsft(path, new AsftLoadOptions { Configure = options => read = options }, out _);
        Assert.Equal(("plain", 8, 4), (read!.Template, read.MaxNewTokens, read.GenerationBatchSize));
        Assert.Equal(answers, Answers((ITransformer)loaded));
        Assert.Contains("without an adapter", Assert.Throws<InvalidOperationException>(() => model.SaveAdapter(_folder.File("none"))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => model.SaveMergedModel(_folder.File("none")));
        Assert.False(Directory.Exists(_folder.File("none")));
    }

    [Fact]
    public void Columns_and_decoding_are_its_options_and_it_stands_between_other_transforms()
    {
        var pipeline = _context.Transforms.CopyColumns("Response", "Prompt")
            .Append(_context.Transforms.AsftGenerate(Pipelines.Aligned, options: new() { Template = "plain", Device = "cpu", PromptColumnName = "Response", OutputColumnName = "Said", MaxNewTokens = 3 }))
            .Append(_context.Transforms.CopyColumns("Final", "Said"));
        var prompts = _context.Data.LoadFromEnumerable(Pipelines.Examples.Select(example => new { example.Prompt }));
        using var model = pipeline.Fit(prompts);
        var path = _folder.File("pipeline.zip");
        _context.Model.SaveAsft(model, prompts.Schema, path);
        var loaded = _context.Model.LoadAsft(path, out _);
        Assert.Equal(model.Transform(prompts).GetColumn<string>("Final"), loaded.Transform(prompts).GetColumn<string>("Final"));
        (loaded as IDisposable)?.Dispose();
        Assert.Contains(pipeline.GetOutputSchema(SchemaShapes.Of(prompts.Schema)), column => column.Name == "Said");
    }

    [Fact]
    public void What_is_wrong_is_told_before_weights_are_read()
    {
        AsftGenerateEstimator Make(string model, string? adapter = null, Action<AsftGenerateOptions>? change = null)
        {
            var options = new AsftGenerateOptions { Template = "plain", Device = "cpu" };
            change?.Invoke(options);
            return _context.Transforms.AsftGenerate(model, adapter, options);
        }

        var rows = Pipelines.Rows(_context);
        Assert.Contains("nowhere/model", Assert.Throws<ArgumentException>(() => Make("nowhere/model")).Message, StringComparison.Ordinal);
        Assert.Contains("nowhere/adapter", Assert.Throws<ArgumentException>(() => Make(Pipelines.Aligned, "nowhere/adapter")).Message, StringComparison.Ordinal);
        Assert.Equal("Temperature", Assert.Throws<ArgumentOutOfRangeException>(() => Make(Pipelines.Aligned, change: o => o.Temperature = -1)).ParamName);
        Assert.Contains("mistral", Assert.Throws<ArgumentException>(() => Make(Pipelines.Aligned, change: o => o.Template = "mistral")).Message, StringComparison.Ordinal);
        Assert.Contains("Ask", Assert.Throws<ArgumentOutOfRangeException>(() => Make(Pipelines.Aligned, change: o => o.PromptColumnName = "Ask").Fit(rows)).Message, StringComparison.Ordinal);
        Assert.Contains("trained on another model", Assert.Throws<InvalidDataException>(() => Make(Pipelines.Base, Adapter()).Fit(rows)).Message, StringComparison.Ordinal);
        using var allowed = Make(Pipelines.Base, Adapter(), o => o.AllowOtherModel = true).Fit(rows);
        Assert.Equal(Pipelines.Examples.Length, Answers(allowed).Length);
    }

    private AsftFineTuneTransformer Fit(string? adapter) => _context.Transforms.AsftGenerate(Pipelines.Aligned, adapter, Short).Fit(Pipelines.Rows(_context));

    private string Adapter()
    {
        trained.Transformer.SaveAdapter(_folder.File("adapter"));
        return _folder.File("adapter");
    }

    private string Save(ITransformer model)
    {
        _context.Model.Save(model, Pipelines.Rows(_context).Schema, _folder.File("model.zip"));
        return _folder.File("model.zip");
    }

    private async Task<string[]> AnswersOfSecondProcess(string path) =>
        [.. (await SecondProcess.LoadAsync(path, _folder.Path, Pipelines.Examples.Select(example => example.Prompt)))["answer"].Select(answer => Encoding.UTF8.GetString(Convert.FromBase64String(answer)))];

    private string[] Answers(ITransformer model) => [.. model.Transform(Pipelines.Rows(_context)).GetColumn<string>("GeneratedText")];
}
