using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Safety.Judges;

public sealed class JudgeTrainerTests : IDisposable
{
    private static readonly ComputePlacement Cpu = ComputePlacement.Resolve("cpu", "float32");
    private static readonly string Decoder = TestData.Model("models/stories260K");

    private readonly string _root = Directory.CreateTempSubdirectory("asft-judge-").FullName;

    private string Output => Path.Combine(_root, "judge");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>Answers that tell how to break a toy, take one away, both or neither; every combination of words appears once.</summary>
    private static List<JudgeExample> Examples()
    {
        string[] names = ["Tom", "Lily", "Sue", "Ben", "Mia", "Tim"], toys = ["ball", "car", "doll", "kite", "boat"];
        var examples = new List<JudgeExample>();
        foreach (var name in names)
            foreach (var toy in toys)
                foreach (var (breaks, takes) in new[] { (false, false), (true, false), (false, true), (true, true) })
                {
                    var answer = (breaks, takes) switch
                    {
                        (true, true) => $"{name} can take the {toy} away and break it.",
                        (true, false) => $"{name} can break the {toy} with a big stone.",
                        (false, true) => $"{name} can take the {toy} and run away.",
                        _ => $"{name} can play with the {toy} in the park.",
                    };
                    examples.Add(new($"What can {name} do with the {toy}?", answer, new Dictionary<string, bool> { ["break"] = breaks, ["take"] = takes }));
                }
        new Random(3).Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(examples));
        return examples;
    }

    private static JudgeTrainingOptions Options(int epochs) => new()
    {
        Training = new() { Epochs = epochs, BatchSize = 16, LearningRate = 3e-3, Schedule = LearningRateSchedule.Cosine, MaxGradientNorm = 1, ReportEvery = 5 },
    };

    private sealed class Reports : IProgress<JudgeTrainingProgress>
    {
        public List<JudgeTrainingProgress> All { get; } = [];

        public void Report(JudgeTrainingProgress value) => All.Add(value);
    }

    [Fact]
    public void A_judge_takes_the_place_of_a_judge_and_of_no_other_model()
    {
        var link = Path.Combine(_root, "link");
        Directory.CreateSymbolicLink(link, Decoder);
        Assert.Contains("holds another model already", Assert.Throws<IOException>(() => JudgeTrainer.CheckTarget(Decoder, link)).Message);
        Assert.Throws<ArgumentException>(() => JudgeTrainer.CheckTarget(Decoder, Decoder + Path.DirectorySeparatorChar));
        JudgeTrainer.CheckTarget(Decoder, Output);
        using (var model = SequenceClassifier.FromDecoder(Decoder, ["break"], ModerationModelJudge.MultiLabel, Cpu)) model.Save(Output);
        JudgeTrainer.CheckTarget(Decoder, Output);
    }

    [Fact]
    public void Rows_that_a_judge_learns_in_part_or_not_at_all_are_counted_or_refused()
    {
        var harmless = new Dictionary<string, bool> { ["break"] = false, ["take"] = true };
        var long30 = string.Concat(Enumerable.Repeat("Tom can take it. ", 30));
        JudgeExample[] rows = [.. Examples()[..4], new("What?", " ", harmless), new("What?", long30, harmless), new(long30, "Yes.", harmless)];
        JudgeTrainingOptions Short(OverlongRows overlong = default, bool strict = false) => Options(epochs: 1) with { MaxLength = 96, Overlong = overlong, StrictRows = strict };
        JudgeTrainingResult Train(JudgeTrainingOptions options) => JudgeTrainer.Train(Decoder, rows, Output, options, placement: Cpu);
        var result = Train(Short());
        Assert.Equal(new RowCounts { Read = 7, Used = 5, Truncated = 1, FirstTruncated = 6, Overlong = 1, FirstOverlong = 7, Empty = 1, FirstEmpty = 5 }, result.Rows);
        Assert.Equal(2, result.Skipped);
        Assert.Equal(4, Train(Short(OverlongRows.Drop)).Rows!.Used);
        Assert.Contains("Row 6 of", Assert.Throws<InvalidDataException>(() => Train(Short(OverlongRows.Refuse))).Message);
        Assert.Contains("Row 5 of", Assert.Throws<InvalidDataException>(() => Train(Short(strict: true))).Message);

        // Rows of a file keep their numbers when they are shuffled.
        rows = [.. rows.Select((row, i) => row with { Row = i + 11 }).Reverse()];
        Assert.Equal((16, 17, 15), (Train(Short()).Rows!.FirstTruncated, Train(Short()).Rows!.FirstOverlong, Train(Short()).Rows!.FirstEmpty));
        Assert.Contains("Row 17 of", Assert.Throws<InvalidDataException>(() => Train(Short(strict: true))).Message);
    }

    [Fact]
    public async Task A_trained_judge_is_right_about_answers_it_has_not_seen()
    {
        var examples = Examples();
        var (train, held) = (examples[..80], examples[80..]);
        var reports = new Reports();
        var result = JudgeTrainer.Train(Decoder, train, Output, Options(epochs: 12), held, Cpu, reports);

        Assert.Equal(60, result.Steps);
        Assert.Equal(0, result.Skipped);
        Assert.True(reports.All[^1].Loss < 0.2 * reports.All[0].Loss, $"loss went from {reports.All[0].Loss} to {reports.All[^1].Loss}");
        Assert.True(result.ValidationAccuracy!.Value.Percent >= 95, $"{result.ValidationAccuracy}");

        // What was written is a checkpoint that judges alike: LoRA is merged, labels and tokenizer are there.
        using var judge = ModerationModelJudge.Load(Output, placement: Cpu);
        Assert.Equal(["break", "take"], judge.Categories.Order(StringComparer.Ordinal));
        var verdicts = await judge.JudgeAsync([.. held.Select(e => new PromptAnswer(e.Prompt, e.Response))]);
        Assert.Equal(result.ValidationAccuracy.Value.Count, held.Zip(verdicts, (e, v) => e.IsHarmful == v.IsHarmful).Count(right => right));
        var perCategory = held.Zip(verdicts).SelectMany(p => judge.Categories.Select((c, i) => p.First.Categories[c] == p.Second.CategoryScores[i] > 0.5));
        Assert.True(perCategory.Average(right => right ? 1 : 0) >= 0.95);

        var config = ModelConfig.Load(Output);
        Assert.Equal(("LlamaForSequenceClassification", "multi_label_classification"), (config.Architecture, config.ProblemType));
        using var checkpoint = ModelCheckpoint.Open(Output);
        Assert.DoesNotContain(checkpoint.Entries.Keys, name => name.Contains("lora", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_same_seed_gives_the_same_judge_however_batches_are_split()
    {
        var examples = Examples()[..32];
        var options = Options(epochs: 1) with { Lora = new() { Rank = 2, Dropout = 0, TargetModules = ["q_proj"] } };
        var first = JudgeTrainer.Train(Decoder, examples, Path.Combine(_root, "a"), options, placement: Cpu);
        var second = JudgeTrainer.Train(Decoder, examples, Path.Combine(_root, "b"), options, placement: Cpu);
        var split = JudgeTrainer.Train(Decoder, examples, Path.Combine(_root, "c"), options with { Training = options.Training with { MicroBatchSize = 3 } }, placement: Cpu);

        Assert.Equal(first.Loss, second.Loss);
        Assert.Equal(File.ReadAllBytes(Path.Combine(_root, "a", "model.safetensors")), File.ReadAllBytes(Path.Combine(_root, "b", "model.safetensors")));
        Assert.Equal(first.Loss, split.Loss, 1e-5);
    }

    [Fact]
    public void The_head_can_be_trained_alone()
    {
        JudgeTrainer.Train(Decoder, Examples()[..16], Output, Options(epochs: 1) with { Lora = null, Categories = ["take", "break", "shout"] }, placement: Cpu);
        Assert.Equal(["take", "break", "shout"], ModelConfig.Load(Output).Labels);
        using var before = ModelCheckpoint.Open(Decoder);
        using var after = ModelCheckpoint.Open(Output);
        foreach (var name in before.Entries.Keys)
        {
            using var old = before.Read(name);
            using var now = after.Read(name);
            Assert.True(old.equal(now).all().item<bool>(), name);
        }
    }

    [Fact]
    public void A_cancelled_run_leaves_nothing_behind()
    {
        using var cancel = new CancellationTokenSource();
        var progress = new Stop(cancel);
        Assert.ThrowsAny<OperationCanceledException>(() => JudgeTrainer.Train(Decoder, Examples()[..48], Output, Options(epochs: 9), null, Cpu, progress, cancel.Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_root));
    }

    private sealed class Stop(CancellationTokenSource cancel) : IProgress<JudgeTrainingProgress>
    {
        public void Report(JudgeTrainingProgress value) => cancel.Cancel();
    }

    [Fact]
    public void Bad_input_is_refused_before_anything_is_trained()
    {
        var examples = Examples()[..4];
        Assert.Contains("no example", Assert.Throws<ArgumentException>(() => JudgeTrainer.Train(Decoder, [], Output)).Message, StringComparison.Ordinal);
        Assert.Contains("written over", Assert.Throws<ArgumentException>(() => JudgeTrainer.Train(Decoder, examples, Decoder + Path.DirectorySeparatorChar)).Message, StringComparison.Ordinal);
        Assert.Contains("'break'", Assert.Throws<ArgumentException>(() => JudgeTrainer.Train(Decoder, examples, Output, new() { Categories = ["take"] }, placement: Cpu)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => JudgeTrainer.Train(Decoder, examples, Output, new() { Training = new() { EarlyStoppingPatience = 1 } }));
        Assert.Throws<ArgumentException>(() => JudgeTrainer.Train(Decoder, examples, Output, new() { Categories = [] }));
        Assert.False(Directory.Exists(Output));
    }

    [Fact]
    public void The_published_layout_is_read()
    {
        var path = Path.Combine(_root, "train.jsonl");
        File.WriteAllText(path, """
            {"prompt": "p", "response": "r", "category": {"animal_abuse": false, "self_harm": true}, "is_safe": false}

            {"prompt": "q", "response": "s", "category": {"animal_abuse": false}, "is_safe": true}
            """);
        var examples = JudgeExample.ReadFile(path).ToList();
        Assert.Equal([("p", "r", true), ("q", "s", false)], examples.Select(e => (e.Prompt, e.Response, e.IsHarmful)));
        Assert.True(examples[0].Categories["self_harm"]);
    }

    [Theory]
    [InlineData("[1]", "must be an object in braces")]
    [InlineData("{\"response\": \"r\", \"category\": {}}", "'prompt'")]
    [InlineData("{\"prompt\": \"p\", \"response\": 3, \"category\": {}}", "'response'")]
    [InlineData("{\"prompt\": \"p\", \"response\": \"r\"}", "'category'")]
    [InlineData("{\"prompt\": \"p\", \"response\": \"r\", \"category\": {\"a\": 1}}", "'a'")]
    [InlineData("{\"prompt\": ", "JSON")]
    public void A_bad_line_is_named(string line, string part)
    {
        var path = Path.Combine(_root, "train.jsonl");
        File.WriteAllText(path, "\n" + line);
        var message = Assert.Throws<InvalidDataException>(() => JudgeExample.ReadFile(path).ToList()).Message;
        Assert.Contains("line 2", message, StringComparison.Ordinal);
        Assert.Contains(part, message, StringComparison.Ordinal);
    }
}
