using System.Text.Json;
using AsFT.Lab.Comparison;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Generation;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Tests;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Training;

namespace AsFT.Lab.Tests.Comparison;

public sealed class ComparisonConfigTests : IDisposable
{
    private static readonly string Shipped = Path.GetFullPath(Path.Combine(TestData.Root, "..", "..", "src", "AsFT.MLNet.Cli", "Comparisons"));
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_papers_settings_are_what_the_shipped_file_says()
    {
        var config = ComparisonConfig.Load(Path.Combine(Shipped, "llama2-7b-paper.json"));
        Assert.Equal(Path.Combine(Shipped, "Llama-2-7b-chat-hf"), config.Aligned);
        Assert.Equal((8, 5e-5, 10, 8), (config.Adapter.Rank, config.Training.LearningRate, config.Training.Epochs, config.Training.BatchSize));
        Assert.Equal(["sst2", "agnews", "gsm8k", "alpaca"], config.Tasks.Select(t => t.Name));
        Assert.Equal([AccuracyRule.LabelMatch, AccuracyRule.LabelMatch, AccuracyRule.LastNumber, null], config.Tasks.Select(t => t.Rule));
        Assert.All(config.Tasks, t => Assert.Equal((1000, 250), (t.Count, t.Report!.Harmful!.Count)));
        Assert.Equal((512, 0.0), (config.Generation.MaxNewTokens, config.Generation.Temperature));
        Assert.Equal((JudgeKind.Moderation, 0.5), (config.Judge.Kind, config.Judge.Threshold));
        Assert.Equal((0, 0.2), (config.Poison.Min(), config.Poison.Max()));
        var asft = Assert.Single(MethodSetting.Expand(config, config.Methods.Single(m => m.Name == "AsFT")));
        Assert.Equal((1.0, AlignmentProjection.Reference), (asft.Training.PenaltyWeight, asft.Penalty.Projection));
        Assert.True(config.ReportSeeds.Count >= 5);
    }

    [Theory]
    [InlineData("world.json")]
    [InlineData("world-quick.json")]
    public void The_worlds_files_name_what_is_there(string name)
    {
        var config = ComparisonConfig.Load(Path.Combine(Shipped, name));
        foreach (var folder in new[] { config.Aligned, config.Base!, config.Tasks[0].World! }) Assert.True(Directory.Exists(folder), folder);
        foreach (var method in config.Methods) Assert.NotEmpty(MethodSetting.Expand(config, method));
        Assert.Empty(config.DevelopmentSeeds.Intersect(config.ReportSeeds));
    }

    [Fact]
    public void Lists_are_searched_in_all_combinations_and_any_option_can_be_named()
    {
        var config = Load("""{ "name": "x", "kind": "asft", "settings": { "lambda": [1, 3], "penalty.subspaceEnergy": [0.5, 0.9], "penalty.projection": "Subspace", "training.epochs": 3, "adapter.targetModules": ["q_proj"], "penalty.storageDType": "bfloat16" } }""");
        var settings = MethodSetting.Expand(config, config.Methods[1]);
        Assert.Equal(["lambda = 1, penalty.subspaceEnergy = 0.5", "lambda = 1, penalty.subspaceEnergy = 0.9", "lambda = 3, penalty.subspaceEnergy = 0.5", "lambda = 3, penalty.subspaceEnergy = 0.9"], settings.Select(s => s.Label));
        Assert.All(settings, s => Assert.Equal((3, AlignmentProjection.Subspace, TorchSharp.torch.ScalarType.BFloat16), (s.Training.Epochs, s.Penalty.Projection, s.Penalty.StorageDType)));
        Assert.Equal([1, 1, 3, 3], settings.Select(s => s.Training.PenaltyWeight));
        Assert.Equal(["q_proj"], settings[0].Adapter.TargetModules);
    }

    [Theory]
    [InlineData("null", "null")]
    [InlineData("""{"aligned":"a","judge":{"kind":"world"},"tasks":[null],"methods":[]}""", "tasks[0]")]
    [InlineData("""{"aligned":"a","judge":null,"tasks":[],"methods":[]}""", "judge")]
    [InlineData("""{"aligned":"a","judge":{"kind":"world"},"tasks":[{"name":"t","world":"w"}],"methods":[{"name":"m","kind":"lora","settings":{"adapter.targetModules":[null]}}]}""", "targetModules")]
    [InlineData("""{"aligned":"a\u0000","judge":{"kind":"world"},"tasks":[],"methods":[]}""", "Null character")]
    [InlineData("""{"aligned":"\ud800","judge":{"kind":"world"},"tasks":[],"methods":[]}""", "surrogate")]
    [InlineData("""{"aligned":"a","aligned":"b","judge":{"kind":"world"},"tasks":[],"methods":[]}""", "line 1")]
    public void Null_and_what_is_no_text_are_refused_where_they_stand(string json, string word)
    {
        var path = Path.Combine(_folder.Path, "c.json");
        File.WriteAllText(path, json);
        var message = Assert.Throws<InvalidDataException>(() => ComparisonConfig.Load(path)).Message;
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(word, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_byte_order_mark_is_read_past()
    {
        var path = Path.Combine(_folder.Path, "c.json");
        File.WriteAllText(path, File.ReadAllText(Path.Combine(Shipped, "llama2-7b-paper.json")), new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        Assert.Equal(4, ComparisonConfig.Load(path).Tasks.Count);
    }

    [Fact]
    public void A_list_option_is_searched_by_a_list_of_lists()
    {
        var config = Load("""{ "name": "x", "kind": "lora", "settings": { "adapter.targetModules": [["q_proj"], ["q_proj", "v_proj"]] } }""");
        Assert.Equal([1, 2], MethodSetting.Expand(config, config.Methods[1]).Select(s => s.Adapter.TargetModules.Count));
    }

    [Fact]
    public void Every_option_of_adapter_penalty_training_and_answers_can_be_written()
    {
        foreach (var record in new object[] { new LoraOptions(), new AlignmentPenaltyOptions(), new TrainingOptions(), new GenerationOptions() })
            foreach (var property in record.GetType().GetProperties().Where(p => p.SetMethod is { IsPublic: true }))
            {
                var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
                object value = type.IsEnum ? Enum.GetValues(type).GetValue(1)! : type == typeof(bool) ? property.GetValue(record) is not true : type == typeof(string) ? "x"
                    : type == typeof(IReadOnlyList<string>) ? new[] { "a", "b" } : Convert.ChangeType(7, type, System.Globalization.CultureInfo.InvariantCulture);
                using var json = JsonDocument.Parse(JsonSerializer.Serialize(type.IsEnum ? value.ToString() : value));
                Assert.Equal(value, property.GetValue(StrictJson.With(record, StrictJson.Camel(property.Name), json.RootElement, "x")));
            }
    }

    [Theory]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lamda": 1 } }""", "lamda", "lambda")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "penalty.energy": 1 } }""", "energy", "subspaceEnergy")]
    [InlineData("""{ "name": "x", "kind": "lora", "settings": { "penalty.projection": "none" } }""", "penalty.projection", "training")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "penalty.projection": "sideways", "lambda": 1 } }""", "sideways", "flattened")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": "much" } }""", "much", "number")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": -1 } }""", "PenaltyWeight", "0, or from")]
    [InlineData("""{ "name": "x", "kind": "asft" }""", "'x'", "lambda")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "training.epochs": 2 } }""", "'x'", "lambda", "training.penaltyWeight")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": 1, "penalty.guardPower": 5 } }""", "'x'", "GuardPower")]
    [InlineData("""{ "name": "x", "kind": "safeLora", "settings": { "safeLora.similarityThreshold": [0.2, 2] } }""", "'x'", "similarity")]
    [InlineData("""{ "name": "x", "kind": "safeLora", "settings": { "safeLora.layerCount": 0 } }""", "'x'", "LayerCount")]
    [InlineData("""{ "name": "x", "kind": "lora", "settings": { "training.earlyStoppingPatience": 2 } }""", "'x'", "earlyStoppingPatience")]
    [InlineData("""{ "name": "x", "kind": "lisa", "settings": { "training.penaltyWeight": 1, "training.refusalTolerance": 0.1 } }""", "'x'", "refusalTolerance")]
    [InlineData("""{ "name": "x", "kind": "magic" }""", "magic", "safeInstruct")]
    [InlineData("""{ "name": "x", "kind": "lora", "settings": { "training.seed": [1, 2] } }""", "'x'", "reportSeeds")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": [1, 2, 1] } }""", "'x'", "lambda = 1", "2 times")]
    [InlineData("""{ "name": "x", "kind": "lora", "settings": { "training.learningRate": -1 } }""", "'x'", "LearningRate")]
    [InlineData("""{ "name": " ", "kind": "lora" }""", "blank")]
    [InlineData("""{ "name": "x", "kind": "lora", "colour": 1 }""", "colour", "settings")]
    [InlineData("""{ "kind": "lora" }""", "name", "lacks")]
    public void What_is_wrong_in_a_method_is_named(string method, params string[] words)
    {
        var error = Assert.Throws<InvalidDataException>(() => Load(method));
        Assert.All(words, word => Assert.Contains(word, error.Message));
    }

    [Fact]
    public void A_seed_of_both_splits_is_refused() =>
        Assert.Contains("both", Assert.Throws<InvalidDataException>(() => Load("""{ "name": "x", "kind": "lora" }""", "\"developmentSeeds\": [3], \"reportSeeds\": [3],")).Message);

    [Fact]
    public void Unknown_keys_at_the_top_are_named_with_those_there_are()
    {
        var error = Assert.Throws<InvalidDataException>(() => Load("""{ "name": "x", "kind": "lora" }""", "\"posion\": [0],"));
        Assert.Contains("posion", error.Message);
        Assert.Contains("poison", error.Message);
    }

    [Theory]
    [InlineData("\"taskMaxNewTokens\": 0,", "taskMaxNewTokens")]
    [InlineData("\"judge\": { \"kind\": \"refusal\", \"threshold\": 1 },", "judge.threshold")]
    [InlineData("\"tasks\": [{ \"name\": \"a/b\", \"world\": \"w\" }],", "a/b")]
    [InlineData("\"tasks\": [{ \"name\": \"C:x\", \"world\": \"w\" }],", "C:x")]
    [InlineData("\"tasks\": [{ \"name\": \"x\", \"train\": \"f\", \"report\": {} }],", "report")]
    [InlineData("\"tasks\": [{ \"name\": \"x\", \"train\": \"f\", \"rule\": \"exactMatch\", \"report\": { \"harmful\": \"g\" } }],", "report.task")]
    [InlineData("\"tasks\": [{ \"name\": \"x\", \"train\": { \"file\": \"f\", \"skip\": -1 }, \"report\": { \"harmful\": \"g\" } }],", "skip")]
    [InlineData("\"judge\": { \"kind\": \"world\" }, \"refusalPhrases\": [\"No\"],", "refusalPhrases")]
    public void What_is_out_of_range_at_the_top_is_named(string more, string word) =>
        Assert.Contains(word, Assert.Throws<InvalidDataException>(() => Load("""{ "name": "x", "kind": "lora" }""", more)).Message);

    [Theory]
    [InlineData("\"tasks\": [null],", "tasks[0]")]
    [InlineData("\"refusalPhrases\": [null],", "refusalPhrases[0]")]
    [InlineData("\"judge\": null,", "judge")]
    [InlineData("\"template\": null,", "template")]
    [InlineData("\"poison\": [null],", "poison[0]")]
    [InlineData("\"adapter\": { \"targetModules\": [null] },", "targetModules[0]")]
    public void Null_where_a_value_is_wanted_is_named(string more, string word)
    {
        var message = Assert.Throws<InvalidDataException>(() => Load("""{ "name": "x", "kind": "lora" }""", more)).Message;
        Assert.Contains(word, message);
        Assert.Contains("null", message);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": null }""")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": null } }""")]
    [InlineData("""{ "name": "x", "kind": "asft", "settings": { "lambda": [null] } }""")]
    [InlineData("""{ "name": null, "kind": "asft", "settings": { "lambda": 1 } }""")]
    public void Null_in_a_method_is_named(string method) => Assert.Contains("null", Assert.Throws<InvalidDataException>(() => Load(method)).Message);

    [Fact]
    public void A_configuration_that_is_null_is_refused()
    {
        File.WriteAllText(_folder["c.json"], "null");
        Assert.Contains("c.json", Assert.Throws<InvalidDataException>(() => ComparisonConfig.Load(_folder["c.json"])).Message);
    }

    [Fact]
    public void Kept_rows_that_hold_null_are_run_again()
    {
        File.WriteAllText(_folder["rows.jsonl"], """
            null
            {"method":"m","poison":0,"seed":1,"split":"report","seconds":1,"task":"t","key":null}
            {"method":null,"poison":0,"seed":1,"split":"report","seconds":1,"task":"t","key":"a"}
            {"method":"m","poison":0,"seed":1,"split":"report","seconds":1,"task":"t","key":"b"}
            """);
        var store = new RowStore(_folder.Path);
        Assert.Null(store.Find("a"));
        Assert.NotNull(store.Find("b"));
    }

    [Theory]
    [InlineData("""{ "name": "t", "train": "f", "report": { "harmful": "g" } }""", "development.harmful")]
    [InlineData("""{ "name": "t", "train": "f", "rule": "exactMatch", "report": { "task": "g" }, "development": { "harmful": "f" } }""", "development.task")]
    public void Nothing_is_searched_without_the_prompts_to_choose_by(string task, string missing)
    {
        const string Searched = """{ "name": "x", "kind": "asft", "settings": { "lambda": [1, 2] } }""";
        var error = Assert.Throws<InvalidDataException>(() => Load(Searched, $"\"tasks\": [{task}],"));
        foreach (var word in new[] { "'t'", missing, "'x'" }) Assert.Contains(word, error.Message);
        Load(Searched.Replace("[1, 2]", "1", StringComparison.Ordinal), $"\"tasks\": [{task}],");
    }

    private ComparisonConfig Load(string method, string more = "")
    {
        File.WriteAllText(_folder["c.json"], $$"""
            { {{more}} "aligned": "a", "base": "b",
              {{(more.Contains("judge", StringComparison.Ordinal) ? "" : "\"judge\": { \"kind\": \"refusal\" },")}}
              {{(more.Contains("tasks", StringComparison.Ordinal) ? "" : "\"tasks\": [{ \"name\": \"t\", \"world\": \"w\" }],")}}
              "methods": [{ "name": "plain", "kind": "lora" }, {{method}}] }
            """);
        return ComparisonConfig.Load(_folder["c.json"]);
    }
}
