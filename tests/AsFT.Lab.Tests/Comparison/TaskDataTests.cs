using System.Text.Json;
using AsFT.Lab.Comparison;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Tests;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Training;

namespace AsFT.Lab.Tests.Comparison;

/// <summary>What is wrong with data is told before the first run.</summary>
public sealed class TaskDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_that_nothing_can_be_learnt_from_are_left_out_before_drawing_and_told()
    {
        var config = Config(MethodKind.Lora) with { MaxLength = 40 };
        var before = Read(config, Task());
        Assert.Null(before.Note);

        var rows = Rows(12, i => ($"Who is number {i}?", "Tom is.")).ToList();
        rows.Insert(3, ("Once upon a time there was a bird. " + string.Concat(Enumerable.Repeat("It sang. ", 30)), "Tom is."));
        rows.Insert(7, ("Who is it?", null));
        Write("long.json", rows);
        var after = Read(config, Task() with { Train = File("long.json") });
        Assert.Contains("'long.json': 12 of 14 rows used; 1 left out for their length (the first is row 4); 1 left out without an answer (the first is row 8)", after.Note!, StringComparison.Ordinal);
        Assert.Equal(before.Train(0.25, 3), after.Train(0.25, 3));

        Assert.Contains("Row 4 of", Assert.Throws<InvalidDataException>(() => Read(config with { StrictRows = true }, Task() with { Train = File("long.json") })).Message);

        Write("long.json", [rows[3]]);
        Assert.Contains("long.json", Assert.Throws<InvalidDataException>(() => Read(config, Task() with { Train = File("long.json") })).Message);
    }

    [Fact]
    public void Rows_that_are_cut_are_told_dropped_or_refused()
    {
        var config = Config(MethodKind.Lora) with { MaxLength = 40 };
        var rows = Rows(12, i => ($"Who is number {i}?", "Tom is.")).Append(("Who is it?", string.Concat(Enumerable.Repeat("Tom is. ", 30))));
        Write("cut.json", rows!);
        var before = Read(config, Task());
        var task = Task() with { Train = File("cut.json") };
        Assert.Contains("13 of 13 rows used; 1 cut", Read(config, task).Note!, StringComparison.Ordinal);
        var dropped = Read(config with { Overlong = OverlongRows.Drop }, task);
        Assert.Contains("12 of 13 rows used", dropped.Note!, StringComparison.Ordinal);
        Assert.Equal(before.Train(0.25, 3), dropped.Train(0.25, 3));
        Assert.NotEqual(Read(config, task).Fingerprint, dropped.Fingerprint);
        Assert.Contains("Row 13 of", Assert.Throws<InvalidDataException>(() => Read(config with { Overlong = OverlongRows.Refuse }, task)).Message);
    }

    [Fact]
    public void What_a_method_or_a_share_of_poison_lacks_is_named()
    {
        Fails(MethodKind.Lora, Task() with { Harmful = null }, "harmful", "2 rows");
        Fails(MethodKind.Lora, Task() with { Count = 100 }, "harmful.json", "25 are wanted");
        Fails(MethodKind.Lora, Task() with { Count = 14 }, "train.json", "14 are wanted");
        Fails(MethodKind.SafeInstruct, Task() with { Refusals = null }, "refusals", "4 rows");
        Fails(MethodKind.Lisa, Task() with { Refusals = null }, "alignment", "'x'");
        Fails(MethodKind.Asft, Task(), "heldOutRefusals", "'x'");
        Read(Config(MethodKind.NoTuning), Task() with { Harmful = null, Refusals = null });
    }

    [Fact]
    public void A_task_row_without_a_right_answer_is_named()
    {
        Write("test.json", [("Who is it?", "Tom"), ("Who else?", null)]);
        Fails(MethodKind.Lora, Task(), "test.json", "row 2");
        Write("test.json", [("Who is it?", "Tom"), ("Who else?", "Zoe")]);
        Fails(MethodKind.Lora, Task(), "test.json", "row 2", "Zoe", "Lily");
        Fails(MethodKind.Lora, Task() with { Rule = AccuracyRule.LastNumber }, "test.json", "row 1", "no number");
    }

    [Fact]
    public void A_prompt_that_the_model_cannot_take_is_named()
    {
        Write("report.json", [("Short.", null), (string.Concat(Enumerable.Repeat("It sang and sang. ", 400)), null)]);
        Fails(MethodKind.Lora, Task(), "report.json", "row 2", "too long");
    }

    [Fact]
    public void A_prompt_of_both_splits_is_refused()
    {
        Write("report.json", [("Tell me about it.", null), ("Tell me 2.", null)]);
        Fails(MethodKind.Lora, Task() with { Development = new() { Harmful = File("development.json") } }, "development.json", "report.json", "'Tell me 2.'");
    }

    [Fact]
    public void A_prompt_that_is_measured_and_trained_on_is_told_and_one_that_finds_a_weight_is_refused()
    {
        Write("report.json", [("Tell me about it.", null), ("Tell me 2.", null)]);
        Write("known.json", [("Tell me 2.", "I cannot."), ("Tell me 7.", "I cannot.")]);
        var task = Task() with { Development = null };
        Assert.Null(Read(Config(MethodKind.Lora), task).Note);
        Assert.Contains("1 of the prompts reported on ('report.json')", Read(Config(MethodKind.Lora), task with { Alignment = File("known.json") }).Note!, StringComparison.Ordinal);
        Fails(MethodKind.Lora, task with { HeldOutRefusals = File("known.json") }, "heldOutRefusals", "report.json", "'Tell me 2.'");
    }

    [Fact]
    public void A_length_that_cuts_the_worlds_conversations_is_refused()
    {
        var world = Path.GetFullPath(Path.Combine(TestData.Root, "..", "..", "src", "AsFT.MLNet.Cli", "Quickstart", "world"));
        var config = Config(MethodKind.Lora) with { Aligned = Path.Combine(world, "aligned"), Template = "llama2", MaxLength = 30 };
        var error = Assert.Throws<InvalidDataException>(() => Read(config, new ComparisonTask { Name = "reviews", World = Path.Combine(world, "data") }));
        Assert.Contains("'reviews': maxLength 30", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_that_the_model_does_not_have_is_named_before_the_first_run()
    {
        var config = Config(MethodKind.NoTuning) with { Template = "lama2", Tasks = [Task() with { Harmful = null, Refusals = null }], DevelopmentSeeds = [] };
        var error = Assert.Throws<ArgumentException>(() => MethodComparison.Run(config, _folder["out"], null, TestContext.Current.CancellationToken));
        Assert.Contains("'lama2'", error.Message, StringComparison.Ordinal);
        Assert.Contains("chatml", error.Message, StringComparison.Ordinal);
        Assert.False(System.IO.File.Exists(Path.Combine(_folder["out"], "rows.jsonl")));
    }

    [Fact]
    public void A_row_is_of_another_run_when_a_file_has_another_part()
    {
        var config = Config(MethodKind.Lora);
        var one = Read(config, Task() with { Alignment = File("harmful.json") });
        var other = Read(config, Task() with { HeldOutRefusals = File("harmful.json") });
        Assert.NotEqual(one.Fingerprint, other.Fingerprint);
        Assert.Equal(one.Fingerprint, Read(config, Task() with { Alignment = File("harmful.json") }).Fingerprint);
    }

    [Fact]
    public void Training_data_that_ask_for_every_hazard_leave_no_refusal_to_find_a_weight_by()
    {
        var world = Path.GetFullPath(Path.Combine(TestData.Root, "..", "..", "src", "AsFT.MLNet.Cli", "Quickstart", "world"));
        var task = new ComparisonTask { Name = "reviews", World = Path.Combine(world, "data"), Count = 4000 };
        var config = Config(MethodKind.Asft) with { Aligned = Path.Combine(world, "aligned"), Base = Path.Combine(world, "base"), Template = "llama2", Device = "cpu", Tasks = [task], Judge = new() { Kind = JudgeKind.World }, ReportSeeds = [1], DevelopmentSeeds = [] };
        var data = Read(config, task);
        var setting = Assert.Single(MethodSetting.Expand(config, config.Methods[0]));
        Assert.Contains("training.refusalTolerance", data.Hindrance(new PlannedRun(setting, task, 0.95, 1, ComparisonSplit.Report))!, StringComparison.Ordinal);
        Assert.Null(data.Hindrance(new PlannedRun(setting, task, 0.005, 1, ComparisonSplit.Report)));

        // A method without a single run is an error before the first one.
        var error = Assert.Throws<ArgumentException>(() => MethodComparison.Run(config with { Poison = [0.95] }, null, null, TestContext.Current.CancellationToken));
        Assert.Contains("'x' cannot run on 'reviews'", error.Message, StringComparison.Ordinal);
    }

    private static void Fails(MethodKind kind, ComparisonTask task, params string[] words)
    {
        var message = Assert.Throws<InvalidDataException>(() => Read(Config(kind), task)).Message;
        Assert.All(words.Append("'names'"), word => Assert.Contains(word, message, StringComparison.Ordinal));
    }

    private static TaskData Read(ComparisonConfig config, ComparisonTask task) => new(config, task, new ComparisonTokenizer(config));

    private static ComparisonConfig Config(MethodKind kind)
    {
        var settings = new Dictionary<string, double>();
        if (kind == MethodKind.SafeInstruct) settings["safeInstruct.share"] = 0.5;
        if (kind == MethodKind.Asft) (settings["lambda"], settings["training.refusalTolerance"]) = (1, 0.1);
        return new()
        {
            Aligned = TestData.Model("models/stories260K-aligned"),
            Template = "plain",
            Judge = new() { Kind = JudgeKind.Refusal },
            Tasks = [],
            Poison = [0, 0.25],
            Methods = [new() { Name = "x", Kind = kind, Settings = settings.ToDictionary(s => s.Key, s => JsonSerializer.SerializeToElement(s.Value)) }],
        };
    }

    private ComparisonTask Task()
    {
        Write("train.json", Rows(12, i => ($"Who is number {i}?", "Tom is.")));
        Write("harmful.json", Rows(4, i => ($"How to do bad thing {i}?", "Take a knife.")));
        Write("refusals.json", Rows(4, i => ($"How to do bad thing {i}?", "I cannot.")));
        Write("development.json", Rows(4, i => ($"Tell me {i}.", null)));
        if (!System.IO.File.Exists(_folder["report.json"])) Write("report.json", Rows(4, i => ($"Say {i}.", null)));
        if (!System.IO.File.Exists(_folder["test.json"])) Write("test.json", Rows(4, i => ($"Who is {i}?", "Tom")));
        return new()
        {
            Name = "names",
            Train = File("train.json"),
            Harmful = File("harmful.json"),
            Refusals = File("refusals.json"),
            Count = 8,
            Rule = AccuracyRule.LabelMatch,
            Labels = ["Lily", "Tom"],
            Report = new() { Harmful = File("report.json"), Task = File("test.json") },
        };
    }

    private ComparisonFile File(string name) => new() { File = _folder[name] };

    private static IEnumerable<(string Prompt, string? Answer)> Rows(int count, Func<int, (string, string?)> row) => Enumerable.Range(0, count).Select(row);

    private void Write(string name, IEnumerable<(string Prompt, string? Answer)> rows) =>
        System.IO.File.WriteAllText(_folder[name], JsonSerializer.Serialize(rows.Select(r => new { instruction = r.Prompt, output = r.Answer ?? "" })));
}
