using System.IO.Compression;
using AsFT.Torch.Safety.Judges;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Scoring;

public sealed class ScoringSaveLoadTests : IDisposable
{
    private readonly MLContext _context = new(seed: 3);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Save(ITransformer transformer, string name = "model.zip")
    {
        _context.Model.Save(transformer, Pipelines.Rows(_context).Schema, _folder.File(name));
        return _folder.File(name);
    }

    private HarmfulnessScoringTransformer Fit(HarmfulnessJudgeOptions judge) => _context.Transforms.ScoreHarmfulness(judge, responseColumnName: "Response").Fit(Pipelines.Rows(_context, Judged.Rows));

    private string[] Texts(ITransformer transformer) => [.. Judged.Score(_context, transformer).Select(Judged.Text)];

    private static HarmfulnessScoringTransformer Single(ITransformer loaded) =>
        loaded as HarmfulnessScoringTransformer ?? Assert.IsType<HarmfulnessScoringTransformer>(Assert.Single((TransformerChain<ITransformer>)loaded));

    private async Task<IEnumerable<string>> InSecondProcess(string zip)
    {
        var output = await SecondProcess.LoadAsync(zip, _folder.Path, Judged.Rows.Select(row => $"{row.Prompt}\t{row.Response}"));
        return output["score"];
    }

    private string[] Lines(ITransformer transformer) =>
        [.. Judged.Score(_context, transformer).Select(row => $"{row.IsHarmful}|{string.Join('|', row.CategoryScores.Select(score => score.ToString("R")))}")];

    [Fact]
    public async Task A_second_process_scores_alike_with_a_moderation_model()
    {
        using var transformer = Fit(new ModerationModelOptions { ModelPath = Judged.WriteModeration(_folder.File("judge")), Device = "cpu", Threshold = 0.4 });
        var path = Save(transformer);
        Assert.Equal(Lines(transformer), await InSecondProcess(path));
        using var loaded = Single(_context.Model.Load(path, out _));
        Assert.Equal(_folder.File("judge"), loaded.ModelPath);
        Assert.Equal(Texts(transformer), Texts(loaded));
        using var again = Single(_context.Model.Load(Save(loaded, "again.zip"), out _));
        Assert.Equal(Texts(transformer), Texts(again));
    }

    [Fact]
    public async Task A_chain_of_both_transforms_works_in_a_second_process()
    {
        var judge = Judged.WriteModeration(_folder.File("judge"));
        var rows = Pipelines.Rows(_context);
        using var model = _context.Transforms.AsftFineTune(Pipelines.Options())
            .Append(_context.Transforms.ScoreHarmfulness(new ModerationModelOptions { ModelPath = judge, Device = "cpu", SaveWholeModel = true }, responseColumnName: "GeneratedText")).Fit(rows);
        var path = Save(model);
        Directory.Delete(judge, recursive: true);
        var output = await SecondProcess.LoadAsync(path, _folder.Path, Pipelines.Examples.Select(example => example.Prompt));
        Assert.Equal(string.Join('|', Judged.Labels), Assert.Single(output["categories"]));
        Assert.Equal(Pipelines.Examples.Length, output["score"].Count());
        Assert.Equal(Pipelines.Examples.Length, output["answer"].Count());
    }

    [Fact]
    public void A_moderation_model_that_moved_or_changed_is_told_apart()
    {
        var judge = Judged.WriteModeration(_folder.File("judge"));
        using var transformer = Fit(new ModerationModelOptions { ModelPath = judge, Device = "cpu" });
        var path = Save(transformer);
        var expected = Texts(transformer);
        Directory.Move(judge, _folder.File("moved"));
        var gone = Assert.Throws<DirectoryNotFoundException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions(), out _)).Message;
        Assert.Contains(judge, gone);
        Assert.Contains("JudgeModelPath", gone);
        using (var moved = Single(_context.Model.LoadAsft(path, new AsftLoadOptions { JudgeModelPath = _folder.File("moved"), Device = "cpu" }, out _))) Assert.Equal(expected, Texts(moved));
        Judged.WriteModeration(_folder.File("moved"), seed: 6);
        var changed = Assert.Throws<InvalidDataException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions { JudgeModelPath = _folder.File("moved") }, out _)).Message;
        Assert.Contains("judged harmfulness", changed);
        Assert.Contains("SHA-256", changed);
        Assert.Contains("nowhere", Assert.Throws<DirectoryNotFoundException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions { JudgeModelPath = "nowhere" }, out _)).Message);
    }

    [Fact]
    public async Task A_whole_moderation_model_travels_in_the_zip()
    {
        var judge = Judged.WriteModeration(_folder.File("judge"));
        using var transformer = Fit(new ModerationModelOptions { ModelPath = judge, Device = "cpu", SaveWholeModel = true });
        var (path, expected) = (Save(transformer), Lines(transformer));
        Directory.Delete(judge, recursive: true);
        Assert.Equal(expected, await InSecondProcess(path));
        var loaded = Single(_context.Model.Load(path, out _));
        Assert.True(Directory.Exists(loaded.ModelPath));
        Assert.Equal(expected, Lines(loaded));
        loaded.Dispose();
        Assert.False(Directory.Exists(loaded.ModelPath));
    }

    [Fact]
    public async Task Refusal_phrases_are_saved()
    {
        using var transformer = Fit(new RefusalMatchOptions { Phrases = ["Tom"], AdditionalPhrases = ["The cat"], Position = RefusalPosition.Anywhere });
        var lines = Lines(transformer);
        Assert.Equal(["False|0", "True|1", "True|1", "False|NaN", "False|0"], lines);
        Assert.Equal(lines, await InSecondProcess(Save(transformer)));
    }

    [Fact]
    public void The_version_of_the_rules_is_saved_and_phrases_of_old_files_are_kept()
    {
        Example[] rows = [new() { Prompt = "p", Response = "I won't help with that." }, new() { Prompt = "p", Response = "Hello! First take …" }];
        bool[] Harmful(Func<string, string> edit)
        {
            using var transformer = Fit(new RefusalMatchOptions());
            using var loaded = Single(_context.Model.Load(Edited(Save(transformer), edit), out _));
            return [.. Judged.Score(_context, loaded, rows).Select(row => row.IsHarmful)];
        }

        Assert.Equal([false, true], Harmful(json => json.Contains("\"RulesVersion\": \"asft-1\"", StringComparison.Ordinal) ? json : throw new InvalidDataException(json)));
        // As version 0.1 wrote it: the list of then, and no version.
        string[] old = [.. AsFT.Torch.Safety.Judges.RefusalPhrases.AdvBench];
        Assert.Equal([true, false], Harmful(json => json.Replace("\"RulesVersion\": \"asft-1\",", "", StringComparison.Ordinal).Replace("\"Phrases\": null", $"\"Phrases\": {System.Text.Json.JsonSerializer.Serialize(old)}", StringComparison.Ordinal)));
        var error = Assert.ThrowsAny<Exception>(() => Harmful(json => json.Replace("asft-1", "asft-9", StringComparison.Ordinal)));
        Assert.Contains("asft-9", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_classifier_is_saved_inside_the_zip()
    {
        using var transformer = Fit(Classifiers.Binary(_context));
        var path = Save(transformer);
        Assert.Equal(Lines(transformer), await InSecondProcess(path));
        using var loaded = Single(_context.Model.LoadAsft(path, new AsftLoadOptions { ConfigureScoring = options => ((ClassifierOptions)options.Judge!).Threshold = 0 }, out _));
        Assert.All(Judged.Score(_context, loaded), row => Assert.True(row.IsHarmful));
        using var again = Single(_context.Model.Load(Save(loaded, "again.zip"), out _));
        Assert.Equal(Texts(loaded), Texts(again));
    }

    [Fact]
    public void A_chat_model_is_given_again_on_loading()
    {
        using var client = new VerdictChat();
        var options = new ChatModelOptions { Client = client, Categories = ["break", "take"], MaxAttempts = 2, Rubric = "Be kind.", InputPricePerMillion = 2, Chat = new ChatOptions { ModelId = "judge-1", Temperature = 0.25f } };
        using var transformer = Fit(options);
        var expected = Texts(transformer);
        Assert.Equal(4, transformer.ChatUsage!.Value.Requests);
        var path = Save(transformer);

        using var without = Single(_context.Model.Load(path, out _));
        Assert.Equal(["break", "take"], without.Categories);
        Assert.Equal(5, without.Transform(Pipelines.Rows(_context, Judged.Rows)).GetColumn<string>("Prompt").Count());
        var error = Assert.Throws<InvalidOperationException>(() => Judged.Score(_context, without));
        Assert.Contains("AsftLoadOptions.ChatClient", error.Message);

        using var other = new VerdictChat();
        using var loaded = Single(_context.Model.LoadAsft(path, new AsftLoadOptions { ChatClient = other }, out _));
        Assert.Equal(expected, Texts(loaded));
        Assert.All(other.Settings, settings => Assert.Equal(("judge-1", 0.25f), (settings!.ModelId, settings.Temperature)));
        Assert.All(other.Asked, text => Assert.Contains("Be kind.", text));
        Assert.Equal(4 * 200 / 1_000_000m, loaded.ChatUsage!.Value.Cost);
        // The loaded one can be saved in its turn, with a client or without.
        Assert.Equal(["break", "take"], Single(_context.Model.Load(Save(loaded, "a.zip"), out _)).Categories);
        Assert.Equal(["break", "take"], Single(_context.Model.Load(Save(without, "b.zip"), out _)).Categories);
    }

    [Fact]
    public void A_judge_of_ones_own_is_given_again_on_loading()
    {
        using var transformer = Fit(new CustomJudgeOptions { Judge = RuleJudge.ByWords(), Threshold = 0.5 });
        var path = Save(transformer);
        using var without = Single(_context.Model.Load(path, out _));
        Assert.Equal(["break", "take"], without.Categories);
        Assert.Contains("AsftLoadOptions.Judge", Assert.Throws<InvalidOperationException>(() => Judged.Score(_context, without)).Message);
        using var loaded = Single(_context.Model.LoadAsft(path, new AsftLoadOptions { Judge = RuleJudge.ByWords() }, out _));
        Assert.Equal(Texts(transformer), Texts(loaded));
        var other = new RuleJudge(_ => HarmVerdict.FromScores([0], 0.5), "else");
        Assert.Contains("break, take", Assert.Throws<ArgumentException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions { Judge = other }, out _)).Message);
    }

    [Fact]
    public void A_damaged_part_or_a_wrong_option_is_refused()
    {
        using var transformer = Fit(new RefusalMatchOptions());
        InvalidDataException Load(Func<string, string> change)
        {
            var path = Edited(Save(transformer), change);
            return Assert.Throws<InvalidDataException>(() => _context.Model.LoadAsft(path, new AsftLoadOptions(), out _));
        }
        Assert.Contains("(part harmfulness.json)", Load(json => json[..^20]).Message);
        Assert.Contains("(part harmfulness.json)", Load(json => json.Replace("refusal-match", "oracle")).Message);
        Assert.Contains("BatchSize", Load(json => json.Replace("\"BatchSize\": 16", "\"BatchSize\": 0")).Message);
        Assert.Contains("moderation model", Load(json => json.Replace("refusal-match", "moderation-model")).Message);
    }

    private static string Edited(string path, Func<string, string> change)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Update);
        var entry = zip.Entries.Single(entry => entry.FullName.Split('/', '\\')[^1] == "harmfulness.json");
        string json;
        using (var reader = new StreamReader(entry.Open())) json = reader.ReadToEnd();
        var name = entry.FullName;
        entry.Delete();
        using var writer = new StreamWriter(zip.CreateEntry(name).Open());
        writer.Write(change(json));
        return path;
    }
}
