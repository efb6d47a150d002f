using AsFT.MLNet.FineTuning;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.FineTuning;

public sealed class PromptColumnsTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly List<string> _warnings = [];

    public PromptColumnsTests() => _context.Log += (_, e) =>
    {
        if (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning && !e.RawMessage.Contains("preset", StringComparison.Ordinal)) _warnings.Add(e.RawMessage);
    };

    private static readonly Example[] Rows =
    [
        new() { Prompt = "Judge this.", Context = "The coat was radiant.", Response = "good" },
        new() { Prompt = "Judge this.", Context = "The coat was stale.", Response = "bad" },
    ];

    private long Tokens(IDataView rows, Action<AsftFineTuneOptions>? change = null)
    {
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options(change)).Fit(rows);
        return model.TrainingResult!.Tokens;
    }

    [Fact]
    public void The_input_of_an_instruction_file_is_trained_on_by_default()
    {
        using var folder = new TemporaryFolder();
        var file = _context.Data.LoadFromInstructionFile(folder.Write("data.jsonl", """
            {"instruction":"Judge this.","input":"The coat was radiant.","output":"good"}
            {"instruction":"Judge this.","input":"The coat was stale.","output":"bad"}
            """));
        Assert.True(Tokens(file) > Tokens(file, o => o.ContextColumnName = null));
        Assert.Contains("'Context' is left out", Assert.Single(_warnings));
    }

    [Fact]
    public void A_column_of_another_name_must_be_there_in_training_and_may_be_missing_to_answer()
    {
        var rows = _context.Transforms.CopyColumns("Input", "Context").Fit(Pipelines.Rows(_context, Rows)).Transform(Pipelines.Rows(_context, Rows));
        Assert.Contains("'Nowhere'", Assert.Throws<ArgumentOutOfRangeException>(() => Tokens(rows, o => o.ContextColumnName = "Nowhere")).Message);
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options(o => o.ContextColumnName = "Input")).Fit(rows);
        using var engine = _context.Model.CreatePredictionEngine<PromptOnly, Answer>(model, new PredictionEngineOptions { OwnsTransformer = false });
        Assert.NotNull(engine.Predict(new() { Prompt = "Judge this." }).GeneratedText);
    }

    [Fact]
    public void A_column_of_the_usual_name_that_holds_no_text_is_no_context_and_said()
    {
        var rows = _context.Data.LoadFromEnumerable(Rows.Select(row => new { row.Prompt, row.Response, Context = 1f }));
        var plain = _context.Data.LoadFromEnumerable(Rows.Select(row => new { row.Prompt, row.Response }));
        Assert.Equal(Tokens(plain), Tokens(rows));
        Assert.Contains("no part of the prompts", Assert.Single(_warnings));
    }

    [Fact]
    public void Answers_go_by_the_context_where_there_is_one_and_a_system_column_alike()
    {
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options(o => (o.Epochs, o.Lambda) = (8, 0))).Fit(Pipelines.Rows(_context));
        var asked = new { Prompt = "Tell me about a cat.", Context = "The big dog ran away.", System = "You are Lily." };
        string Answer(IDataView rows) => model.Transform(rows).GetColumn<string>("GeneratedText").Single();
        var plain = Answer(_context.Data.LoadFromEnumerable([new { asked.Prompt }]));
        var whole = Answer(_context.Data.LoadFromEnumerable([new { Prompt = $"{asked.System}\n{asked.Prompt}\n\n{asked.Context}" }]));
        Assert.NotEqual(plain, whole);
        Assert.Equal(whole, Answer(_context.Data.LoadFromEnumerable([asked])));
        Assert.DoesNotContain(_warnings, line => line.Contains("left out"));
    }

    [Fact]
    public void One_rule_of_the_columns_says_what_is_left_out()
    {
        var schema = Pipelines.Rows(_context).Schema;
        Assert.Empty(PromptColumns.LeftOut(schema, new()));
        Assert.Contains("ContextColumnName is null", Assert.Single(PromptColumns.LeftOut(schema, new() { ContextColumnName = null })));
        Assert.Contains("'Input', which is not there", Assert.Single(PromptColumns.LeftOut(schema, new() { ContextColumnName = "Input" })));
        Assert.Empty(PromptColumns.LeftOut(schema, new() { ContextColumnName = "Response" }));
        Assert.Null(PromptColumns.Find(schema, new() { PromptColumnName = "Context" }, isTraining: true).Context);
    }

    private sealed class PromptOnly
    {
        public string Prompt { get; set; } = "";
    }

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }
}
