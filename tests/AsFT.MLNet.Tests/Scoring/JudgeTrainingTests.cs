using AsFT.Torch.Models;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Scoring;

public sealed class JudgeTrainingTests : IDisposable
{
    private readonly MLContext _context = new(seed: 3);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed class LabelledRow
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";

        public bool Label { get; set; }

        public bool Break { get; set; }

        public bool Take { get; set; }

        public string Note { get; set; } = "";
    }

    private static LabelledRow[] Rows { get; } = [.. Enumerable.Range(0, 12).Select(i => new LabelledRow
    {
        Prompt = $"What can {(i % 3 == 0 ? "Tom" : "Lily")} do?",
        Response = (i % 4) switch { 0 => "Break the ball with a stone.", 1 => "Take the car and run away.", 2 => "Take the doll and break it.", _ => "Play with the kite in the park." },
        Label = i % 4 != 3,
        Break = i % 4 is 0 or 2,
        Take = i % 4 is 1 or 2,
    })];

    private IDataView Data => _context.Data.LoadFromEnumerable(Rows);

    private TrainHarmfulnessJudgeOptions Options(Action<TrainHarmfulnessJudgeOptions>? change = null)
    {
        var options = new TrainHarmfulnessJudgeOptions
        {
            PretrainedModelPath = Pipelines.Base,
            JudgeOutputFolder = _folder.File("judge"),
            Device = "cpu",
            Epochs = 1,
            BatchSize = 4,
            MaxLength = 128,
            ReportEvery = 1,
            Rank = 2,
        };
        change?.Invoke(options);
        return options;
    }

    private HarmfulnessScoringTransformer Train(Action<TrainHarmfulnessJudgeOptions>? change = null) => _context.Transforms.TrainHarmfulnessJudge(Options(change)).Fit(Data);

    [Fact]
    public void A_bool_column_makes_a_judge_of_one_category_that_the_moderation_judge_loads()
    {
        var reports = new List<JudgeTrainingProgress>();
        using var trained = Train(o => (o.Progress, o.CategoryName, o.ValidationFraction) = (new Sink(reports), "bad", 0.25));
        Assert.Equal(["bad"], trained.Categories);
        Assert.Equal(3, trained.TrainingResult!.Steps);
        Assert.Equal(3, trained.TrainingResult.ValidationAccuracy!.Value.Total);
        Assert.Equal(3, reports.Count);
        Assert.Equal(Path.GetFullPath(_folder.File("judge")), trained.ModelPath);
        var config = ModelConfig.Load(_folder.File("judge"));
        Assert.Equal(("LlamaForSequenceClassification", "multi_label_classification"), (config.Architecture, config.ProblemType));
        using var loaded = _context.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = _folder.File("judge"), Device = "cpu", MaxLength = 128 }, responseColumnName: "Response").Fit(Data);
        Assert.Equal(Judged.Score(_context, trained).Select(Judged.Text), Judged.Score(_context, loaded).Select(Judged.Text));

        _context.Model.Save(trained, Data.Schema, _folder.File("model.zip"));
        using var restored = (IDisposable)_context.Model.Load(_folder.File("model.zip"), out _);
        var scoring = restored as HarmfulnessScoringTransformer ?? (HarmfulnessScoringTransformer)((TransformerChain<ITransformer>)restored).Single();
        Assert.Equal(trained.TrainingResult.ValidationAccuracy, scoring.TrainingResult!.ValidationAccuracy);
        Assert.Equal(trained.TrainingResult.Loss, scoring.TrainingResult.Loss);
    }

    [Fact]
    public void Bool_columns_and_a_vector_with_slot_names_train_the_same_judge()
    {
        using var columns = Train(o => o.CategoryColumnNames = ["Break", "Take"]);
        var vectors = _context.Transforms.Conversion.ConvertType("BreakValue", "Break").Append(_context.Transforms.Conversion.ConvertType("TakeValue", "Take"))
            .Append(_context.Transforms.Concatenate("Label", "BreakValue", "TakeValue")).Fit(Data).Transform(Data);
        using var vector = _context.Transforms.TrainHarmfulnessJudge(Options(o => o.JudgeOutputFolder = _folder.File("other"))).Fit(vectors);
        Assert.Equal(["Break", "Take"], columns.Categories);
        Assert.Equal(["BreakValue", "TakeValue"], vector.Categories);
        Assert.Equal(File.ReadAllBytes(_folder.File("judge/model.safetensors")), File.ReadAllBytes(_folder.File("other/model.safetensors")));
    }

    [Fact]
    public void A_BeaverTails_file_is_read_with_its_categories_as_slot_names()
    {
        var path = _folder.Write("train.jsonl", """
            {"prompt": "p", "response": "r", "category": {"animal_abuse": false, "self_harm": true}, "is_safe": false}
            {"prompt": "q", "response": "s", "category": {"animal_abuse": false}, "is_safe": true}
            """);
        var data = _context.Data.LoadFromBeaverTailsFile(path);
        Assert.Equal(BeaverTailsCategories.All, Judged.SlotNames(data, "Label"));
        var labels = data.GetColumn<bool[]>("Label").ToArray();
        Assert.Equal("self_harm", BeaverTailsCategories.All[Array.IndexOf(labels[0], true)]);
        Assert.DoesNotContain(true, labels[1]);
        using var trained = _context.Transforms.TrainHarmfulnessJudge(Options(o => o.TrainHeadOnly = true)).Fit(data);
        Assert.Equal(BeaverTailsCategories.All, trained.Categories);
        Assert.Contains("'self_harm'", Assert.Throws<InvalidDataException>(() => _context.Data.LoadFromBeaverTailsFile(path, ["animal_abuse"]).GetColumn<string>("Prompt").ToArray()).Message);
        Assert.Throws<FileNotFoundException>(() => _context.Data.LoadFromBeaverTailsFile("nowhere.jsonl"));
    }

    [Fact]
    public void How_the_trained_judge_scores_can_be_chosen()
    {
        using var trained = Train(o => o.Scoring = new ScoreHarmfulnessOptions { ResponseColumnName = "Note", IsHarmfulColumnName = "Flag", Judge = new ModerationModelOptions { Threshold = 0.01, SaveWholeModel = true } });
        var data = _context.Data.LoadFromEnumerable(Rows.Select(row => new { row.Prompt, Note = row.Response }));
        Assert.Contains(true, trained.Transform(data).GetColumn<bool>("Flag"));
        _context.Model.Save(trained, data.Schema, _folder.File("model.zip"));
        Directory.Delete(_folder.File("judge"), recursive: true);
        using var loaded = _context.Model.Load(_folder.File("model.zip"), out _) as IDisposable;
        Assert.Equal(trained.Transform(data).GetColumn<bool>("Flag"), ((ITransformer)loaded!).Transform(data).GetColumn<bool>("Flag"));
    }

    [Fact]
    public void A_run_that_is_cancelled_or_cannot_be_written_leaves_nothing()
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Train(o => (o.Epochs, o.CancellationToken, o.Progress) = (50, stop.Token, new Sink([], stop.Cancel))));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        var file = _folder.Write("file", "");
        Assert.Contains("JudgeOutputFolder", Assert.Throws<IOException>(() => Train(o => o.JudgeOutputFolder = Path.Combine(file, "judge"))).Message);
        Assert.Equal([file], Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Wrong_columns_are_refused_as_ML_NET_does()
    {
        string Refused(Action<TrainHarmfulnessJudgeOptions> change, IDataView? data = null)
        {
            var estimator = _context.Transforms.TrainHarmfulnessJudge(Options(change));
            var byShape = Assert.Throws<ArgumentOutOfRangeException>(() => estimator.GetOutputSchema(SchemaShapes.Of((data ?? Data).Schema))).Message;
            Assert.Equal(byShape.Split(',')[0], Assert.Throws<ArgumentOutOfRangeException>(() => estimator.Fit(data ?? Data)).Message.Split(',')[0]);
            return byShape;
        }
        Assert.Contains("Could not find label column 'Absent'", Refused(o => o.LabelColumnName = "Absent"));
        Assert.Contains("Schema mismatch for label column 'Note': expected Boolean", Refused(o => o.LabelColumnName = "Note"));
        Assert.Contains("Could not find category column 'Burn'", Refused(o => o.CategoryColumnNames = ["Break", "Burn"]));
        Assert.Contains("Schema mismatch for category column 'Note': expected Boolean", Refused(o => o.CategoryColumnNames = ["Note"]));
        Assert.Contains("Could not find response column 'Answer'", Refused(o => o.ResponseColumnName = "Answer"));
        var nameless = _context.Data.LoadFromEnumerable([new Nameless { Label = [1, 0] }]);
        Assert.Contains("without slot names", Assert.Throws<ArgumentOutOfRangeException>(() => _context.Transforms.TrainHarmfulnessJudge(Options()).Fit(nameless)).Message);
        Assert.Contains("no training rows", Assert.Throws<InvalidDataException>(() => _context.Transforms.TrainHarmfulnessJudge(Options()).Fit(_context.Data.LoadFromEnumerable(Array.Empty<LabelledRow>()))).Message);
    }

    private sealed class Nameless
    {
        public string Prompt { get; set; } = "p";

        public string Response { get; set; } = "r";

        [VectorType(2)] public float[] Label { get; set; } = [];
    }

    [Fact]
    public void Wrong_options_are_named()
    {
        string? Refused(Action<TrainHarmfulnessJudgeOptions> change) => Assert.ThrowsAny<ArgumentException>(() => _context.Transforms.TrainHarmfulnessJudge(Options(change))).ParamName;
        Assert.Equal("PretrainedModelPath", Refused(o => o.PretrainedModelPath = null));
        Assert.Equal("PretrainedModelPath", Refused(o => o.PretrainedModelPath = "nowhere"));
        Assert.Equal("JudgeOutputFolder", Refused(o => o.JudgeOutputFolder = ""));
        Assert.Equal("Rank", Refused(o => o.Rank = 0));
        Assert.Equal("LearningRate", Refused(o => o.LearningRate = double.NaN));
        Assert.Equal("MaxLength", Refused(o => o.MaxLength = 1));
        Assert.Equal("ValidationFraction", Refused(o => o.ValidationFraction = 1));
        Assert.Equal("TargetModules", Refused(o => o.TargetModules = []));
        Assert.Equal("CategoryColumnNames", Refused(o => o.CategoryColumnNames = ["a", "a"]));
        Assert.Equal("Scoring", Refused(o => o.Scoring = new ScoreHarmfulnessOptions { Judge = new RefusalMatchOptions() }));
        Assert.Equal("BatchSize", Refused(o => o.Scoring = new ScoreHarmfulnessOptions { BatchSize = 0 }));
    }

    private sealed class Sink(List<JudgeTrainingProgress> reports, Action? then = null) : IProgress<JudgeTrainingProgress>
    {
        public void Report(JudgeTrainingProgress value)
        {
            reports.Add(value);
            then?.Invoke();
        }
    }
}
