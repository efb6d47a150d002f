using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests;

public sealed class AsftFineTuneTransformerTests(TrainedFixture trained) : IClassFixture<TrainedFixture>
{
    private readonly MLContext _context = trained.Context;

    [Fact]
    public void Batched_answers_are_the_answers_of_single_rows()
    {
        var batched = Answers(trained.Transformer, Pipelines.Examples);
        Assert.Equal(Pipelines.Examples.Length, batched.Length);
        Assert.Contains(batched, answer => answer.Length > 0);
        Assert.Equal(Pipelines.Examples.Select(example => Answers(trained.Transformer, [example])[0]), batched);
    }

    [Fact]
    public void A_prediction_engine_answers_as_the_view_does()
    {
        var options = new PredictionEngineOptions { OwnsTransformer = false };
        using var engine = _context.Model.CreatePredictionEngine<Example, Answer>(trained.Transformer, options);
        var expected = Answers(trained.Transformer, Pipelines.Examples);
        Assert.Equal(expected, Pipelines.Examples.Select(example => engine.Predict(example).GeneratedText));
    }

    [Fact]
    public void The_response_column_is_not_needed_to_answer()
    {
        var prompts = _context.Data.LoadFromEnumerable([new { Prompt = "Who is Lily?" }]);
        Assert.Single(trained.Transformer.Transform(prompts).GetColumn<string>("GeneratedText"));
    }

    [Fact]
    public void It_works_between_built_in_transforms_with_caching()
    {
        var pipeline = _context.Transforms.CopyColumns("Question", nameof(Example.Prompt))
            .Append(_context.Transforms.Text.NormalizeText(nameof(Example.Prompt), keepPunctuations: true))
            .AppendCacheCheckpoint(_context)
            .Append(_context.Transforms.AsftFineTune(Pipelines.Options()))
            .Append(_context.Transforms.Text.FeaturizeText("Features", "GeneratedText"))
            .Append(_context.Transforms.CopyColumns("Final", "GeneratedText"));
        var rows = Pipelines.Rows(_context);
        var model = pipeline.Fit(rows);
        var output = model.Transform(rows);
        Assert.Equal(output.GetColumn<string>("GeneratedText"), output.GetColumn<string>("Final"));
        Assert.Equal(Pipelines.Examples.Length, output.GetColumn<float[]>("Features").Count());
        Assert.Equal(Pipelines.Examples.Select(example => example.Prompt), output.GetColumn<string>("Question"));
        Assert.Same(output.Schema, output.Schema);
        using var engine = _context.Model.CreatePredictionEngine<Example, Answer>(model);
        Assert.Equal(output.GetColumn<string>("GeneratedText").First(), engine.Predict(Pipelines.Examples[0]).GeneratedText);
    }

    [Fact]
    public void A_preview_and_a_split_see_the_column()
    {
        var split = _context.Data.TrainTestSplit(Pipelines.Rows(_context), 0.5, seed: 2);
        var preview = trained.Transformer.Transform(split.TestSet).Preview(maxRows: 2);
        Assert.Contains(preview.Schema, column => column.Name == "GeneratedText");
        Assert.NotEmpty(preview.RowView);
    }

    [Fact]
    public void The_output_schema_of_one_input_schema_is_one_instance()
    {
        var rows = Pipelines.Rows(_context);
        Assert.Same(trained.Transformer.GetOutputSchema(rows.Schema), trained.Transformer.Transform(rows).Schema);
        Assert.Same(trained.Transformer.GetOutputSchema(rows.Schema), trained.Transformer.GetRowToRowMapper(rows.Schema).OutputSchema);
    }

    [Fact]
    public void A_missing_prompt_column_is_refused()
    {
        var rows = _context.Data.LoadFromEnumerable([new { Text = "a" }]);
        Assert.Contains("'Prompt'", Assert.Throws<ArgumentOutOfRangeException>(() => trained.Transformer.Transform(rows)).Message);
    }

    [Fact]
    public void A_prompt_longer_than_the_model_is_cut_and_answered()
    {
        var prompt = string.Concat(Enumerable.Repeat("once upon a time ", 300));
        Assert.Single(Answers(trained.Transformer, [new Example { Prompt = prompt }]));
    }

    [Fact]
    public void The_merged_model_answers_as_the_adapter_does()
    {
        using var folder = new TemporaryFolder();
        var expected = Answers(trained.Transformer, Pipelines.Examples);
        trained.Transformer.SaveMergedModel(folder.File("merged"));
        Assert.Equal(expected, Answers(trained.Transformer, Pipelines.Examples));
        // An adapter that trained nothing lets the merged weights speak alone.
        using var merged = Pipelines.Train(_context, o => (o.AlignedModelPath, o.Lambda, o.BaseModelPath, o.LearningRate, o.MaxSteps) = (folder.File("merged"), 0, null, 1e-12, 1));
        Assert.Equal(expected, Answers(merged, Pipelines.Examples));
        Assert.Throws<ArgumentException>(() => trained.Transformer.SaveMergedModel(Pipelines.Aligned));
    }

    [Fact]
    public void A_disposed_transformer_says_so()
    {
        var transformer = Pipelines.Train(_context);
        transformer.Dispose();
        transformer.Dispose();
        Assert.Contains("OwnsTransformer", Assert.Throws<ObjectDisposedException>(() => Answers(transformer, Pipelines.Examples)).Message);
    }

    private string[] Answers(AsftFineTuneTransformer transformer, IEnumerable<Example> examples) =>
        [.. transformer.Transform(Pipelines.Rows(_context, examples)).GetColumn<string>("GeneratedText")];

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }
}
