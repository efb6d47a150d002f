using AsFT.MLNet.Scoring;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Scoring;

public sealed class ClassifierJudgeTests
{
    private static readonly Example[] Rows =
    [
        new() { Prompt = "p", Response = "the cat sat in the sun" },
        new() { Prompt = "p", Response = "break the door with a stone" },
        new() { Prompt = "p", Response = "steal the purse at night" },
    ];

    private readonly MLContext _context = new(seed: 3);

    private Scored[] Score(ClassifierOptions options)
    {
        using var transformer = _context.Transforms.ScoreHarmfulness(options, responseColumnName: "Response").Fit(Pipelines.Rows(_context));
        return Judged.Score(_context, transformer, Rows);
    }

    private ArgumentException Refused(ClassifierOptions options) => Assert.ThrowsAny<ArgumentException>(() => _context.Transforms.ScoreHarmfulness(options, responseColumnName: "Response"));

    [Fact]
    public void A_binary_classifiers_probability_is_the_score()
    {
        var options = Classifiers.Binary(_context);
        var scored = Score(options);
        var direct = options.Model!.Transform(_context.Data.LoadFromEnumerable(Rows.Select(row => new Classifiers.BinaryRow { Text = row.Response }))).GetColumn<float>("Probability").ToArray();
        Assert.Equal(direct, scored.Select(row => row.HarmfulScore));
        Assert.Equal([false, true], scored.Take(2).Select(row => row.IsHarmful));
        options.HarmfulLabels = ["false"];
        Assert.Equal(direct.Select(p => 1 - p), Score(options).Select(row => row.HarmfulScore));
        options.HarmfulLabels = ["maybe"];
        Assert.Equal("HarmfulLabels", Refused(options).ParamName);
    }

    [Fact]
    public void A_score_may_be_a_logit_and_without_one_the_predicted_label_counts()
    {
        var options = Classifiers.Uncalibrated(_context);
        Assert.All(Score(options), row => Assert.True(row.HarmfulScore is 0 or 1));
        Assert.True(Score(options)[1].IsHarmful);
        var binary = Classifiers.Binary(_context);
        var calibrated = Score(binary);
        binary.ScoreKind = ClassifierScore.Logit;
        Assert.All(calibrated.Zip(Score(binary)), pair => Assert.Equal(pair.First.HarmfulScore, pair.Second.HarmfulScore, 1e-5));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_harmful_classes_are_the_categories(bool mapBack)
    {
        var options = Classifiers.Multiclass(_context, mapBack);
        using var transformer = _context.Transforms.ScoreHarmfulness(options, responseColumnName: "Response").Fit(Pipelines.Rows(_context));
        Assert.Equal(["break", "steal"], transformer.Categories);
        var scored = Judged.Score(_context, transformer, Rows);
        Assert.Equal([false, true, true], scored.Select(row => row.IsHarmful));
        Assert.True(scored[1].CategoryScores[0] > scored[1].CategoryScores[1]);
        Assert.True(scored[2].CategoryScores[1] > scored[2].CategoryScores[0]);
    }

    [Fact]
    public void A_predicted_label_alone_is_enough()
    {
        foreach (var mapBack in new[] { true, false })
        {
            var options = Classifiers.Multiclass(_context, mapBack, "steal");
            options.ScoreColumnName = null;
            Assert.Equal([0f, 0f, 1f], Score(options).Select(row => row.HarmfulScore));
        }
    }

    [Fact]
    public void What_the_classifier_lacks_is_named()
    {
        var options = Classifiers.WithAnotherColumn(_context);
        Assert.True(Score(options)[1].IsHarmful);
        options.InputSchema = null;
        Assert.Contains("InputSchema", Refused(options).Message);
        options = Classifiers.Binary(_context);
        options.TextColumnName = "Answer";
        Assert.Contains("does not take the text column 'Answer'", Refused(options).Message);
        options = Classifiers.Multiclass(_context, true, "arson");
        var unknown = Refused(options);
        Assert.Equal("HarmfulLabels", unknown.ParamName);
        Assert.Contains("fine, break, steal", unknown.Message);
        options = Classifiers.Binary(_context);
        (options.ProbabilityColumnName, options.ScoreColumnName, options.PredictedLabelColumnName) = ("Nope", null, null);
        Assert.Contains("'Probability'", Refused(options).Message);
        options.ProbabilityColumnName = "PredictedLabel";
        Assert.Equal("ProbabilityColumnName", Refused(options).ParamName);
    }

    [Fact]
    public void A_score_that_is_no_probability_is_refused_with_the_way_out()
    {
        var options = Classifiers.Binary(_context);
        options.ProbabilityColumnName = "Score";
        Assert.Contains("ScoreKind to Logit", Assert.Throws<InvalidOperationException>(() => Score(options)).Message);
    }

    [Fact]
    public void Prompt_and_response_are_joined_as_the_format_says()
    {
        Assert.Equal("Q: a\nA: b / b", ClassifierText.Fill("Q: {prompt}\nA: {response} / {response}", new("a", "b")));
        Assert.Equal("{response} then {prompt}", ClassifierText.Fill("{prompt} then {response}", new("{response}", "{prompt}")));
    }
}
