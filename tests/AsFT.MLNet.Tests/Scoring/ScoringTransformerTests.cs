using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Scoring;

public sealed class ScoringTransformerTests : IDisposable
{
    private readonly MLContext _context = new(seed: 3);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private HarmfulnessScoringTransformer Fit(HarmfulnessJudgeOptions judge, Action<ScoreHarmfulnessOptions>? change = null)
    {
        var options = new ScoreHarmfulnessOptions { Judge = judge, ResponseColumnName = "Response" };
        change?.Invoke(options);
        return _context.Transforms.ScoreHarmfulness(options).Fit(Pipelines.Rows(_context, Judged.Rows));
    }

    [Fact]
    public async Task A_moderation_model_scores_as_the_engine_does()
    {
        var folder = Judged.WriteModeration(_folder.File("judge"));
        using var transformer = Fit(new ModerationModelOptions { ModelPath = folder, Device = "cpu", Threshold = 0.6 }, o => o.BatchSize = 2);
        var scored = Judged.Score(_context, transformer);
        using var judge = ModerationModelJudge.Load(folder, new() { Threshold = 0.6 }, ComputePlacement.Resolve("cpu"));
        var verdicts = await judge.JudgeAsync([.. Judged.Rows.Select(row => new PromptAnswer(row.Prompt, row.Response))]);
        Assert.All(verdicts.Zip(scored), pair =>
        {
            Assert.True(pair.Second.IsJudged);
            Assert.Equal(pair.First.IsHarmful, pair.Second.IsHarmful);
            Assert.Equal(pair.First.Score, pair.Second.HarmfulScore, 1e-5);
            Assert.All(pair.First.CategoryScores.Zip(pair.Second.CategoryScores), score => Assert.Equal(score.First, score.Second, 1e-5));
            Assert.Equal(pair.Second.CategoryScores.Max(), pair.Second.HarmfulScore);
        });
        Assert.Contains(scored, row => row.IsHarmful);
        Assert.Equal(Judged.Labels, Judged.SlotNames(transformer.Transform(Pipelines.Rows(_context))));
    }

    [Fact]
    public void Refusals_are_told_by_phrases_that_can_be_added_to()
    {
        Example[] rows = [new() { Prompt = "p", Response = "Nope, never." }, new() { Prompt = "p", Response = "Sorry, no." }, new() { Prompt = "p", Response = "Take a stone." }, new() { Prompt = "p" }];
        using var plain = Fit(new RefusalMatchOptions());
        using var extended = Fit(new RefusalMatchOptions { AdditionalPhrases = ["Nope"] });
        Assert.Equal([true, false, true, false], Judged.Score(_context, plain, rows).Select(row => row.IsHarmful));
        var scored = Judged.Score(_context, extended, rows);
        Assert.Equal([false, false, true, false], scored.Select(row => row.IsHarmful));
        // An answer without text is reported on its own, not as safe.
        Assert.Equal([true, true, true, false], scored.Select(row => row.IsJudged));
        Assert.True(float.IsNaN(scored[3].HarmfulScore));
        Assert.All(scored[3].CategoryScores, score => Assert.True(float.IsNaN(score)));
        Assert.Equal("The answer is empty.", scored[3].UnparsableReason);
        Assert.Equal("", scored[0].UnparsableReason);
    }

    [Fact]
    public void Nothing_is_judged_until_a_score_is_read_and_then_in_batches()
    {
        var judge = RuleJudge.ByWords();
        using var transformer = Fit(new CustomJudgeOptions { Judge = judge }, o => o.BatchSize = 2);
        var upstream = 0;
        var view = transformer.Transform(_context.Data.LoadFromEnumerable(Judged.Rows.Select(row =>
        {
            upstream++;
            return row;
        })));
        Assert.Equal(5, view.GetColumn<string>("Prompt").Count());
        using (var cursor = view.GetRowCursor(view.Schema))
            while (cursor.MoveNext())
            {
            }
        Assert.Empty(judge.BatchSizes);
        upstream = 0;
        Assert.False(view.GetColumn<bool>("IsHarmful").First());
        Assert.Equal(2, upstream);
        Assert.Equal([2], judge.BatchSizes);
        judge.BatchSizes.Clear();
        var rows = _context.Data.CreateEnumerable<Scored>(view, reuseRowObject: false).ToArray();
        Assert.Equal([2, 2, 1], judge.BatchSizes);
        Assert.Equal([false, true, false, false, false], rows.Select(row => row.IsHarmful));
        Assert.Equal([0.1f, 0.2f], rows[0].CategoryScores);
        Assert.Equal(0.9f, rows[1].HarmfulScore);
        Assert.Equal([true, true, true, false, true], rows.Select(row => row.IsJudged));
        Assert.Equal("nothing there", rows[3].UnparsableReason);
    }

    [Fact]
    public void Only_the_columns_that_are_needed_are_asked_of_upstream()
    {
        using var transformer = Fit(new CustomJudgeOptions { Judge = RuleJudge.ByWords() });
        var rows = Pipelines.Rows(_context, Judged.Rows);
        var mapper = transformer.GetRowToRowMapper(rows.Schema);
        Assert.Equal(["Prompt", "Response", "Context"], mapper.GetDependencies([mapper.OutputSchema["IsHarmful"]]).Select(column => column.Name));
        Assert.Equal(["Context"], mapper.GetDependencies([mapper.OutputSchema["Context"]]).Select(column => column.Name));
        Assert.Empty(mapper.GetDependencies([]));
        Assert.Same(mapper.OutputSchema, transformer.Transform(rows).Schema);
    }

    [Fact]
    public void A_prediction_engine_scores_row_by_row()
    {
        using var transformer = Fit(new CustomJudgeOptions { Judge = RuleJudge.ByWords() });
        using var engine = _context.Model.CreatePredictionEngine<Example, Scored>(transformer, new PredictionEngineOptions { OwnsTransformer = false });
        Assert.Equal(Judged.Score(_context, transformer).Select(Judged.Text), Judged.Rows.Select(row => Judged.Text(engine.Predict(row))));
    }

    [Fact]
    public void A_chain_trains_answers_and_scores()
    {
        var judge = Judged.WriteModeration(_folder.File("judge"));
        var pipeline = _context.Transforms.AsftFineTune(Pipelines.Options())
            .Append(_context.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = judge, Device = "cpu" }, responseColumnName: "GeneratedText"))
            .Append(_context.Transforms.CopyColumns("Final", "HarmfulScore"));
        var rows = Pipelines.Rows(_context);
        using var model = pipeline.Fit(rows);
        var output = model.Transform(rows);
        var scores = output.GetColumn<float>("Final").ToArray();
        using var direct = _context.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = judge, Device = "cpu" }, responseColumnName: "Response").Fit(rows);
        var answers = Pipelines.Examples.Zip(output.GetColumn<string>("GeneratedText"), (example, answer) => new Example { Prompt = example.Prompt, Response = answer });
        var expected = Judged.Score(_context, direct, answers).Select(row => row.HarmfulScore);
        Assert.All(expected.Zip(scores), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        Assert.Equal(scores.Length, output.GetColumn<float[]>("CategoryScores").Count());
        using var engine = _context.Model.CreatePredictionEngine<Example, Scored>(model, new PredictionEngineOptions { OwnsTransformer = false });
        Assert.Equal(scores[0], engine.Predict(Pipelines.Examples[0]).HarmfulScore, 1e-5);
        var metrics = _context.EvaluateHarmfulness(output, responseColumnName: "GeneratedText");
        Assert.Equal(Pipelines.Examples.Length, metrics.Total);
    }

    [Fact]
    public void Columns_can_be_named_and_the_shape_tells_them()
    {
        var options = new ScoreHarmfulnessOptions
        {
            Judge = new RefusalMatchOptions(),
            PromptColumnName = "Context",
            ResponseColumnName = "Prompt",
            HarmfulScoreColumnName = "A",
            IsHarmfulColumnName = "B",
            CategoryScoresColumnName = "C",
            IsJudgedColumnName = "D",
            UnparsableReasonColumnName = "E",
        };
        var estimator = _context.Transforms.ScoreHarmfulness(options);
        options.IsHarmfulColumnName = "changed";
        using var transformer = estimator.Fit(Pipelines.Rows(_context));
        var schema = transformer.GetOutputSchema(Pipelines.Rows(_context).Schema);
        Assert.Equal(["Prompt", "Response", "Context", "A", "B", "C", "D", "E"], schema.Select(column => column.Name));
        var shape = _context.Transforms.CopyColumns("Copy", "Prompt").Append(estimator).GetOutputSchema(SchemaShapes.Of(Pipelines.Rows(_context).Schema));
        var vector = Assert.Single(shape, column => column.Name == "C");
        Assert.Equal((SchemaShape.Column.VectorKind.Vector, typeof(float)), (vector.Kind, vector.ItemType.RawType));
        Assert.Contains(vector.Annotations, annotation => annotation.Name == "SlotNames");
        Assert.Equal(typeof(bool), Assert.Single(shape, column => column.Name == "D").ItemType.RawType);
    }

    [Theory]
    [InlineData("Absent", "Could not find response column 'Absent'")]
    [InlineData("Number", "Schema mismatch for response column 'Number': expected String, got")]
    public void A_wrong_column_is_refused_as_ML_NET_does(string name, string message)
    {
        var rows = _context.Data.LoadFromEnumerable([new { Prompt = "a", Response = "b", Number = 1f }]);
        var estimator = _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: name);
        Assert.Contains(message, Assert.Throws<ArgumentOutOfRangeException>(() => estimator.GetOutputSchema(SchemaShapes.Of(rows.Schema))).Message);
        Assert.Contains($"column '{name}'", Assert.Throws<ArgumentOutOfRangeException>(() => estimator.Fit(rows)).Message);
    }

    [Fact]
    public void Wrong_options_are_named()
    {
        string? Refused(Action<ScoreHarmfulnessOptions> change)
        {
            var options = new ScoreHarmfulnessOptions { Judge = new RefusalMatchOptions() };
            change(options);
            return Assert.ThrowsAny<ArgumentException>(() => _context.Transforms.ScoreHarmfulness(options)).ParamName;
        }
        Assert.Equal("Judge", Refused(o => o.Judge = null));
        Assert.Equal("BatchSize", Refused(o => o.BatchSize = 0));
        Assert.Equal("IsHarmfulColumnName", Refused(o => o.IsHarmfulColumnName = ""));
        Assert.Equal("ResponseColumnName", Refused(o => o.ResponseColumnName = "Prompt"));
        Assert.Equal("IsJudgedColumnName", Refused(o => o.IsJudgedColumnName = "IsHarmful"));
        Assert.Equal("ModelPath", Refused(o => o.Judge = new ModerationModelOptions()));
        Assert.Equal("ModelPath", Refused(o => o.Judge = new ModerationModelOptions { ModelPath = "nowhere" }));
        Assert.Equal("Threshold", Refused(o => o.Judge = new ModerationModelOptions { ModelPath = Pipelines.Base, Threshold = 1 }));
        Assert.Equal("phrases", Refused(o => o.Judge = new RefusalMatchOptions { AdditionalPhrases = [" "] }));
        Assert.Equal("Client", Refused(o => o.Judge = new ChatModelOptions()));
        Assert.Equal("Judge", Refused(o => o.Judge = new CustomJudgeOptions()));
        Assert.Equal("Judge", Refused(o => o.Judge = new CustomJudgeOptions { Judge = new RuleJudge(_ => throw new InvalidOperationException()) }));
        Assert.Equal("Model", Refused(o => o.Judge = new ClassifierOptions()));
        Assert.Equal("TextFormat", Refused(o => o.Judge = new ClassifierOptions { TextFormat = "{prompt}" }));
        Assert.Throws<InvalidDataException>(() => _context.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = Pipelines.Base }));
    }

    [Fact]
    public void A_judge_that_breaks_its_contract_is_named()
    {
        using var wrongScores = Fit(new CustomJudgeOptions { Judge = new RuleJudge(_ => HarmVerdict.FromScores([0.5f], 0.5), "a", "b") });
        Assert.Contains("'rule' gave 1 scores for its 2 categories", Assert.Throws<InvalidOperationException>(() => Judged.Score(_context, wrongScores)).Message);
        using var wrongCount = Fit(new CustomJudgeOptions { Judge = new ShortJudge() });
        Assert.Contains("gave 0 verdicts on 5 answers", Assert.Throws<InvalidOperationException>(() => Judged.Score(_context, wrongCount)).Message);
    }

    [Fact]
    public void The_token_stops_scoring_and_a_disposed_transformer_says_so()
    {
        using var stop = new CancellationTokenSource();
        var judge = RuleJudge.ByWords();
        var transformer = Fit(new CustomJudgeOptions { Judge = judge, OwnsJudge = true }, o => (o.CancellationToken, o.BatchSize) = (stop.Token, 1));
        Judged.Score(_context, transformer);
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Judged.Score(_context, transformer));
        transformer.Dispose();
        Assert.True(judge.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => Judged.Score(_context, transformer));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_judge_goes_with_its_transformer_only_when_owned_and_then_even_if_no_score_was_read(bool isOwned)
    {
        var judge = RuleJudge.ByWords();
        Fit(new CustomJudgeOptions { Judge = judge, OwnsJudge = isOwned }).Dispose();
        Assert.Equal(isOwned, judge.IsDisposed);
    }

    [Fact]
    public void Changing_an_array_of_the_options_later_changes_nothing()
    {
        var options = new RefusalMatchOptions { AdditionalPhrases = ["Nope"] };
        var copy = (RefusalMatchOptions)options.Copy();
        options.AdditionalPhrases[0] = "Yes";
        Assert.Equal("Nope", copy.AdditionalPhrases[0]);
    }

    private sealed class ShortJudge : IHarmfulnessJudge
    {
        public string Name => "short";

        public IReadOnlyList<string> Categories => ["a"];

        public Task<IReadOnlyList<HarmVerdict>> JudgeAsync(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<HarmVerdict>>([]);

        public void Dispose()
        {
        }
    }
}
