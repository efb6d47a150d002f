using AsFT.MLNet.Tests.Scoring;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Metrics;

public sealed class EvaluationTests
{
    private readonly MLContext _context = new(seed: 3);

    private IDataView Scored(IEnumerable<Example> rows, IHarmfulnessJudge? judge = null, double? threshold = null) =>
        _context.Transforms.ScoreHarmfulness(new CustomJudgeOptions { Judge = judge ?? RuleJudge.ByWords(), Threshold = threshold }, responseColumnName: "Response").Fit(Pipelines.Rows(_context)).Transform(Pipelines.Rows(_context, rows));

    [Fact]
    public async Task Metrics_of_scored_rows_are_the_engines()
    {
        var metrics = _context.EvaluateHarmfulness(Scored(Judged.Rows), responseColumnName: "Response");
        PromptAnswer[] pairs = [.. Judged.Rows.Select(row => new PromptAnswer(row.Prompt, row.Response))];
        using var judge = RuleJudge.ByWords();
        var expected = HarmfulnessMetrics.Compute(pairs, await judge.JudgeAsync(pairs), judge.Categories);
        Assert.Equal((5, 1, 4L, 1L), (metrics.Total, metrics.Empty, metrics.HarmfulScore.Total, metrics.HarmfulScore.Count));
        Assert.Equal(expected.HarmfulScore, metrics.HarmfulScore);
        Assert.Equal(expected.Refusals, metrics.Refusals);
        Assert.Equal(expected.Categories, metrics.Categories);
        Assert.Equal(expected.Outcomes, metrics.Outcomes);
        Assert.Equal(expected.MeanScore, metrics.MeanScore, 1e-6);
        Assert.Equal(25, metrics.HarmfulScore.Percent);
    }

    [Fact]
    public void The_judges_own_threshold_decides_and_is_that_of_the_categories()
    {
        var judge = new RuleJudge(pair => HarmVerdict.FromScores([pair.Answer.Length > 30 ? 0.4f : 0.2f, 0.25f], 0.3), "long", "other");
        var data = Scored(Judged.Rows, judge, threshold: 0.3);
        var metrics = _context.EvaluateHarmfulness(data, responseColumnName: "Response");
        Assert.Equal(metrics.HarmfulScore.Count, metrics.Categories[0].Value.Count);
        Assert.Equal(0, metrics.Categories[1].Value.Count);
        Assert.True(metrics.HarmfulScore.Count > 0);
        Assert.Equal(0, _context.EvaluateHarmfulness(data, responseColumnName: "Response", threshold: 0.5).Categories[0].Value.Count);
        Assert.Equal(metrics.HarmfulScore, _context.EvaluateHarmfulness(data, responseColumnName: "Response", threshold: 0.5).HarmfulScore);
        Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateHarmfulness(data, responseColumnName: "Response", threshold: 1));
    }

    [Fact]
    public void The_refusals_of_ones_model_can_be_told()
    {
        Example[] rows = [new() { Prompt = "p", Response = "Nix da." }, new() { Prompt = "p", Response = "Sorry." }, new() { Prompt = "p", Response = "Gladly." }, new() { Prompt = "p" }];
        Assert.Equal(1, _context.EvaluateHarmfulness(Scored(rows), responseColumnName: "Response").Refusals.Count);
        var own = new RefusalMatcher(additional: ["Nix"]);
        Assert.Equal(2, _context.EvaluateHarmfulness(Scored(rows), responseColumnName: "Response", refusals: own).Refusals.Count);
        var over = _context.EvaluateOverRefusal(Pipelines.Rows(_context, rows), "Response", refusals: own);
        Assert.Equal((2L, 4L, 1), (over.Rate.Count, over.Rate.Total, over.Empty));
    }

    [Fact]
    public void Two_models_are_compared_prompt_by_prompt()
    {
        // 10 prompts turn harmless, 2 turn harmful: 2·(1 + 12 + 66)/2¹² by McNemar's exact test.
        static Example Row(int i, bool harmful) => new() { Prompt = $"prompt {i}", Response = harmful ? "break it" : "I see." };
        var first = Scored(Enumerable.Range(0, 40).Select(i => Row(i, harmful: i < 10 || i >= 30)));
        var second = Scored(Enumerable.Range(0, 40).Select(i => Row(i, harmful: i is >= 10 and < 12 || i >= 30)));
        var comparison = _context.CompareHarmfulness(first, second, responseColumnName: "Response");
        Assert.Equal(new PairedComparison(10, 10, 2, 18), comparison);
        Assert.Equal(-20, comparison.Difference, 1e-9);
        Assert.InRange(comparison.Difference, comparison.LowerDifference, comparison.UpperDifference);
        Assert.Equal(0.03857421875, comparison.PValue, 1e-12);
    }

    [Fact]
    public void Runs_that_do_not_match_are_refused()
    {
        var rows = Judged.Rows;
        string Refused(IDataView second, IDataView? first = null)
        {
            var error = Assert.Throws<ArgumentException>(() => _context.CompareHarmfulness(first ?? Scored(rows), second, responseColumnName: "Response"));
            Assert.Equal("second", error.ParamName);
            return error.Message;
        }
        Assert.Contains("the first has 5 rows and the second 4", Refused(Scored(rows[..4])));
        Assert.Contains("same order; in row 1 the first asks 'Tell me about a cat.' and the second 'Who is Tom?'", Refused(Scored(rows.Reverse())));
        Assert.Contains("in row 5 the first asks 'Who is Tom?' and the second 'Who is Ben?'", Refused(Scored([.. rows[..4], new() { Prompt = "Who is Ben?", Response = "A boy." }])));
        Assert.Contains("the same judge", Refused(Scored(rows, new RuleJudge(_ => HarmVerdict.FromScores([0.1f], 0.5), "other"))));
        Assert.Contains("above 0.5, the second above 0.25", Refused(Scored(rows, threshold: 0.25), Scored(rows, threshold: 0.5)));
        // Two lists of phrases score the same category, and are not the same judge.
        IDataView By(RefusalMatchOptions judge)
        {
            var data = Pipelines.Rows(_context, rows);
            return _context.Transforms.ScoreHarmfulness(judge, responseColumnName: "Response").Fit(data).Transform(data);
        }
        Assert.Contains("judged by refusal-match (asft-1), and the second by refusal-match (advbench)", Refused(By(new RefusalMatchOptions { Phrases = [.. RefusalPhrases.AdvBench] }), By(new RefusalMatchOptions())));
    }

    [Fact]
    public void Metrics_tell_who_judged_and_what_counted_as_a_refusal()
    {
        var data = Pipelines.Rows(_context, Judged.Rows);
        var metrics = _context.EvaluateHarmfulness(_context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: "Response").Fit(data).Transform(data), responseColumnName: "Response", refusals: new RefusalMatcher(RefusalPhrases.AdvBench));
        Assert.Equal(("refusal-match (asft-1)", "advbench"), (metrics.Judge, metrics.RefusalRules));
        Assert.Equal("asft-1", _context.EvaluateOverRefusal(data, "Response").RefusalRules);
    }

    [Fact]
    public void Wrong_columns_are_refused_as_ML_NET_does()
    {
        var scored = Scored(Judged.Rows);
        Assert.Contains("Could not find harmful column 'Absent'", Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateHarmfulness(scored, responseColumnName: "Response", isHarmfulColumnName: "Absent")).Message);
        Assert.Contains("Schema mismatch for judged column 'HarmfulScore': expected Boolean", Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateHarmfulness(scored, responseColumnName: "Response", isJudgedColumnName: "HarmfulScore")).Message);
        Assert.Contains("category score column 'Prompt'", Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateHarmfulness(scored, responseColumnName: "Response", categoryScoresColumnName: "Prompt")).Message);
        Assert.Contains("'GeneratedText'", Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateTaskAccuracy(scored)).Message);
        Assert.Contains("response column 'Answer'", Assert.Throws<ArgumentOutOfRangeException>(() => _context.EvaluateOverRefusal(scored, "Answer")).Message);
        Assert.Throws<InvalidDataException>(() => _context.EvaluateHarmfulness(Scored([]), responseColumnName: "Response"));
        var swapped = _context.Data.LoadFromEnumerable([new Row { IsHarmful = true, CategoryScores = [0.5f] }]);
        Assert.Contains("harmful without a verdict", Assert.Throws<InvalidDataException>(() => _context.EvaluateHarmfulness(swapped, responseColumnName: "Response")).Message);
        var broken = _context.Data.LoadFromEnumerable([new Row { IsJudged = true, CategoryScores = [float.NaN] }]);
        Assert.Contains("no probability", Assert.Throws<InvalidDataException>(() => _context.EvaluateHarmfulness(broken, responseColumnName: "Response")).Message);
    }

    [Fact]
    public void What_a_model_wrote_is_read_by_default_and_no_answer_at_all_is_an_error()
    {
        var rows = _context.Data.LoadFromEnumerable([new { Prompt = "p", GeneratedText = "take it", Response = "" }, new { Prompt = "q", GeneratedText = "", Response = "" }]);
        var scored = _context.Transforms.ScoreHarmfulness(new CustomJudgeOptions { Judge = RuleJudge.ByWords() }).Fit(rows).Transform(rows);
        Assert.Equal((1L, 1), (_context.EvaluateHarmfulness(scored).HarmfulScore.Count, _context.EvaluateOverRefusal(scored).Empty));
        foreach (var error in new[]
        {
            Assert.Throws<InvalidDataException>(() => _context.EvaluateHarmfulness(scored, responseColumnName: "Response")),
            Assert.Throws<InvalidDataException>(() => _context.EvaluateOverRefusal(rows, "Response")),
            Assert.Throws<InvalidDataException>(() => _context.EvaluateTaskAccuracy(rows)),
            Assert.Throws<InvalidDataException>(() => _context.EvaluateTaskAccuracy(rows, answerColumnName: "Response", referenceColumnName: "GeneratedText")),
            Assert.Throws<InvalidDataException>(() => _context.CompareHarmfulness(scored, Scored([new() { Prompt = "p" }, new() { Prompt = "q" }]), responseColumnName: "Response")),
        })
            Assert.Matches("The column 'Response' holds no answer at all: all 2 rows are empty.+ColumnName", error.Message);
        var blank = _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: "Response").Fit(rows).Transform(rows);
        Assert.Contains("The column 'Response' holds no answer at all", Assert.Throws<InvalidDataException>(() => blank.GetColumn<float>("HarmfulScore").ToArray()).Message);
        Assert.Equal(["p", "q"], blank.GetColumn<string>("Prompt"));
    }

    [Fact]
    public void A_column_held_against_itself_is_refused()
    {
        var scored = Scored(Judged.Rows);
        Assert.Contains("against itself", Assert.Throws<ArgumentException>(() => _context.EvaluateTaskAccuracy(scored, answerColumnName: "Response")).Message);
        Assert.Contains("against itself", Assert.Throws<ArgumentException>(() => _context.EvaluateHarmfulness(scored, responseColumnName: "Prompt")).Message);
        Assert.Contains("against itself", Assert.Throws<ArgumentException>(() => _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), "GeneratedText")).Message);
        Assert.Contains("with itself", Assert.Throws<ArgumentException>(() => _context.CompareHarmfulness(scored, scored, responseColumnName: "Response")).Message);
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "p";

        public string Response { get; set; } = "r";

        public bool IsHarmful { get; set; }

        public bool IsJudged { get; set; }

        [VectorType(1)] public float[] CategoryScores { get; set; } = [];
    }

    [Fact]
    public void Accuracy_goes_by_the_rule()
    {
        var rows = _context.Data.LoadFromEnumerable(
        [
            new { GeneratedText = "The answer is 12.", Response = "6 + 6 = 12 #### 12", Label = "Positive", Said = "It is positive, I think." },
            new { GeneratedText = "I get 3.", Response = "#### 4", Label = "Negative", Said = "positive" },
            new { GeneratedText = "no idea", Response = "#### 4", Label = "Negative", Said = "negative" },
        ]);
        var numbers = _context.EvaluateTaskAccuracy(rows, AccuracyRule.LastNumber);
        Assert.Equal((new BinomialRate(1, 3), 1), (numbers.Accuracy, numbers.Unanswered));
        Assert.Null(numbers.Perplexity);
        Assert.Equal([true, false, true], _context.EvaluateTaskAccuracy(rows, AccuracyRule.LabelMatch, "Said", "Label").Outcomes);
        Assert.Equal([false, false, true], _context.EvaluateTaskAccuracy(rows, AccuracyRule.ExactMatch, "Said", "Label").Outcomes);
        Assert.Throws<ArgumentException>(() => _context.EvaluateTaskAccuracy(rows, AccuracyRule.LabelMatch, "Said", "Label", ["positive"]));
    }

    [Fact]
    public void Perplexity_is_that_of_the_right_answers_and_falls_with_training()
    {
        var rows = Pipelines.Rows(_context);
        double Measure(int epochs, out double? validation)
        {
            using var model = _context.Transforms.AsftFineTune(Pipelines.Options(o => (o.Epochs, o.Lambda) = (epochs, 0.1))).Fit(rows, rows);
            validation = model.TrainingResult!.ValidationLoss;
            var answers = model.Transform(rows);
            var accuracy = _context.EvaluateTaskAccuracy(answers, perplexityModel: model);
            Assert.Equal(_context.EvaluatePerplexity(rows, model), accuracy.Perplexity!.Value, 1e-9);
            return accuracy.Perplexity.Value;
        }
        var (little, much) = (Measure(1, out var loss), Measure(8, out _));
        Assert.Equal(Math.Exp(loss!.Value), little, 1e-3 * little);
        Assert.True(1 < much && much < little, $"{little} -> {much}");
    }
}
