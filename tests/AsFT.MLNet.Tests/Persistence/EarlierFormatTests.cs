using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Persistence;

/// <summary>What version 0.1 wrote: no format, and only what its options and its list of model files knew.</summary>
public sealed class EarlierFormatTests : IDisposable
{
    private static readonly Example[] Questions =
    [
        new() { Prompt = "Tell me about a cat.", Context = "It is black.", Response = "The cat sat." },
        new() { Prompt = "Who is Lily?", Context = "She has a dog.", Response = "A girl." },
        new() { Prompt = "What did Tom see?", Context = "It was in the park.", Response = "A red ball." },
    ];

    private readonly MLContext _context = new(seed: 5);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_plain_template_of_version_0_1_keeps_its_single_line_break_also_when_saved_again()
    {
        var path = Train("Context");
        using var now = Load(path);
        MakeEarlier(path);
        using var earlier = Load(path, options => Assert.Equal(("plain-0.1", "Context"), (options.Template, options.ContextColumnName)));
        var perplexity = Perplexity(earlier, Questions);
        Assert.Equal(Perplexity(earlier, Joined("\n")), perplexity);
        Assert.Equal(Perplexity(now, Joined("\n\n")), Perplexity(now, Questions));
        Assert.NotEqual(Perplexity(now, Questions), perplexity);
        _context.Model.SaveAsft(earlier, null, path);
        using var again = Load(path, options => Assert.Equal("plain-0.1", options.Template));
        Assert.Equal(perplexity, Perplexity(again, Questions));
    }

    [Fact]
    public void A_model_of_version_0_1_without_a_context_column_goes_without_one()
    {
        var path = Train(null);
        MakeEarlier(path);
        using var earlier = Load(path, options => Assert.Null(options.ContextColumnName));
        Assert.Equal(Perplexity(earlier, [.. Questions.Select(row => new Example { Prompt = row.Prompt, Response = row.Response })]), Perplexity(earlier, Questions));
        Assert.NotEqual(Perplexity(earlier, Joined("\n")), Perplexity(earlier, Questions));
    }

    [Fact]
    public void A_chat_template_in_the_folder_that_version_0_1_did_not_record_is_no_other_model()
    {
        var path = Train(null, withTemplate: false);
        File.WriteAllText(Path.Combine(_folder.File("model"), "chat_template.jinja"), "{{ messages[0]['content'] }}");
        Assert.Contains("chat_template.jinja", Assert.Throws<InvalidDataException>(() => Load(path, modelPath: _folder.File("model"))).Message);
        MakeEarlier(path);
        using var earlier = Load(path);
        _context.Model.SaveAsft(earlier, null, path);
        using var again = Load(path);
        Assert.Equal(Perplexity(earlier, Questions), Perplexity(again, Questions));
    }

    [Fact]
    public void A_judge_of_version_0_1_is_given_no_context()
    {
        var path = SaveJudge();
        string? context = "not loaded";
        var loading = new AsftLoadOptions { ConfigureScoring = options => context = options.ContextColumnName };
        _ = _context.Model.LoadAsft(path, loading, out _);
        Assert.Equal("Context", context);
        Edit(path, "harmfulness.json", json =>
        {
            json.Remove("Format");
            json["Options"]!.AsObject().Remove("ContextColumnName");
        });
        _ = _context.Model.LoadAsft(path, loading, out _);
        Assert.Null(context);
    }

    [Fact]
    public void What_a_later_version_wrote_is_refused()
    {
        var (model, judge) = (Train(null), SaveJudge());
        Edit(model, "asft.json", json => json["Format"] = 2);
        Edit(judge, "harmfulness.json", json => json["Format"] = 2);
        Assert.Contains("has format 2; this version of AsFT.MLNet reads formats 0 to 1", Assert.Throws<InvalidDataException>(() => Load(model)).Message);
        Assert.Contains("has format 2", Assert.Throws<InvalidDataException>(() => _context.Model.LoadAsft(judge, out _)).Message);
    }

    private string Train(string? contextColumn, bool withTemplate = true)
    {
        var model = _folder.File("model");
        Directory.CreateDirectory(model);
        foreach (var file in Directory.EnumerateFiles(Pipelines.Aligned)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        if (!withTemplate) File.Delete(Path.Combine(model, "chat_template.jinja"));
        using var transformer = Pipelines.Train(_context, o => (o.AlignedModelPath, o.ContextColumnName, o.SystemColumnName) = (model, contextColumn, null));
        _context.Model.SaveAsft(transformer, null, _folder.File("model.zip"));
        return _folder.File("model.zip");
    }

    private string SaveJudge()
    {
        var judge = _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions(), responseColumnName: "Response").Fit(Pipelines.Rows(_context));
        _context.Model.SaveAsft(judge, null, _folder.File("judge.zip"));
        return _folder.File("judge.zip");
    }

    private static void MakeEarlier(string path) => Edit(path, "asft.json", json => Assert.True(json.Remove("Format")));

    private static void Edit(string path, string part, Action<JsonObject> change) => ZipEdit.Text(path, part, text =>
    {
        var json = JsonNode.Parse(text)!.AsObject();
        change(json);
        return json.ToJsonString();
    });

    private AsftFineTuneTransformer Load(string path, Action<AsftFineTuneOptions>? look = null, string? modelPath = null)
    {
        var loaded = _context.Model.LoadAsft(path, new AsftLoadOptions { Configure = look, ModelPath = modelPath }, out _);
        return loaded as AsftFineTuneTransformer ?? Assert.IsType<AsftFineTuneTransformer>(Assert.Single((TransformerChain<ITransformer>)loaded));
    }

    private static Example[] Joined(string separator) => [.. Questions.Select(row => new Example { Prompt = row.Prompt + separator + row.Context, Response = row.Response })];

    private double Perplexity(AsftFineTuneTransformer transformer, Example[] rows) => _context.EvaluatePerplexity(Pipelines.Rows(_context, rows), transformer);
}
