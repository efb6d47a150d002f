using System.IO.Compression;
using AsFT.MLNet.Tests.Scoring;
using Microsoft.ML;

namespace AsFT.MLNet.Tests.Persistence;

/// <summary>Zips that somebody else made.</summary>
public sealed class HostileZipTests(TrainedFixture trained) : IClassFixture<TrainedFixture>, IDisposable
{
    private readonly MLContext _context = new(seed: 7);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Classifiers_within_classifiers_end_at_a_small_depth()
    {
        var rows = _context.Data.LoadFromEnumerable(new[] { new Row() });
        using var scoring = _context.Transforms.ScoreHarmfulness(Classifiers.Binary(_context)).Fit(rows);
        var path = _folder.File("deep.zip");
        _context.Model.SaveAsft(scoring, rows.Schema, path);
        for (var depth = 0; depth < 5; depth++)
        {
            var inner = File.ReadAllBytes(path);
            _context.Model.SaveAsft(scoring, rows.Schema, path);
            ZipEdit.Bytes(path, "classifier.zip", inner);
        }
        Assert.Contains("within each other", Refused(path).Message);
    }

    /// <summary>What ML.NET itself finds wrong, it tells without the file.</summary>
    [Theory]
    [InlineData("PublicKeyToken=null", "PublicKeyToken<null")]
    [InlineData("AsFT.MLNet, ", "\0sFT.MLNet, ")]
    [InlineData("ASFTTUNE", "XXXXXXXX")]
    public void What_MLNET_finds_damaged_is_told_with_the_zip(string text, string by)
    {
        var path = Save(trained.Transformer);
        ZipEdit.Table(path, text, by);
        Assert.Contains($"'{path}' is no pipeline that ML.NET saved, or is damaged", Refused(path).Message);
    }

    [Fact]
    public void A_zip_of_something_else_is_told_so()
    {
        using (var zip = ZipFile.Open(_folder.File("other.zip"), ZipArchiveMode.Create)) zip.CreateEntry("readme.txt");
        Assert.Contains("other.zip' is no pipeline that ML.NET saved", Refused(_folder.File("other.zip")).Message);
    }

    [Fact]
    public void An_embedded_file_of_another_size_than_recorded_is_not_unpacked()
    {
        using var whole = Pipelines.Train(_context, o => (o.SaveWholeModel, o.MaxSteps) = (true, 1));
        var path = Save(whole);
        ZipEdit.Bytes(path, "model_config.json", new byte[64 << 20]);
        var message = Refused(path).Message;
        Assert.Contains("model_config.json", message);
        Assert.Contains($"{64 << 20}", message);
    }

    [Theory]
    [InlineData("adapter_model.safetensors")]
    [InlineData("asft.json")]
    [InlineData("adapter_config.json")]
    public void A_part_that_grows_from_nearly_nothing_is_not_unpacked(string part)
    {
        var path = Save(trained.Transformer);
        ZipEdit.Bytes(path, part, new byte[100 << 20]);
        var before = GC.GetTotalAllocatedBytes();
        Assert.Contains(part, Refused(path).Message);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 50 << 20);
    }

    [Fact]
    public void A_zip_can_not_ask_a_disk_about_itself()
    {
        var (path, victim) = (Save(trained.Transformer), _folder.File("victim"));
        Directory.CreateDirectory(victim);
        File.WriteAllText(Path.Combine(victim, "config.json"), "secret");
        ZipEdit.Text(path, "asft.json", json => json.Replace(Json(Pipelines.Aligned), Json(victim)));
        foreach (var error in new[] { Plain(path), Refused(path) })
        {
            Assert.Contains("is not the one", error.Message);
            Assert.DoesNotContain("bytes", error.Message);
            Assert.DoesNotContain("SHA", error.Message);
        }
        path = Save(trained.Transformer);
        ZipEdit.Text(path, "asft.json", json => json.Replace("\"config.json\"", "\"passwd\""));
        Assert.Contains("'passwd'", Plain(path).Message);
        path = Save(trained.Transformer);
        ZipEdit.Text(path, "asft.json", json => json.Replace(Json(Pipelines.Aligned), Json(@"\\server\share\model")));
        Assert.IsType<DirectoryNotFoundException>(Plain(path));
    }

    [Theory]
    [InlineData("\"Options\": {", "\"Options\": null, \"Rest\": {")]
    [InlineData("\"Template\": \"plain\"", "\"Template\": null")]
    [InlineData("\"Template\": \"plain\"", "\"Template\": \"plaih\"")]
    [InlineData("\"q_proj\"", "null")]
    [InlineData("\"Files\": [", "\"Files\": [ null,")]
    [InlineData("\"Rank\": 8", "\"Rank\": null")]
    [InlineData("\"Name\": \"config.json\"", "\"Name\": null")]
    [InlineData("\"History\": [", "\"History\": [ null,")]
    [InlineData("\"Rank\": 8", "\"Rank\": \"\\ud800\"")]
    public void Null_and_worse_are_told_with_zip_and_part(string from, string to)
    {
        var path = Save(trained.Transformer);
        ZipEdit.Text(path, "asft.json", json => json.Contains(from) ? json.Replace(from, to) : throw new InvalidOperationException(from));
        var message = Assert.IsType<InvalidDataException>(Refused(path)).Message;
        Assert.Contains(path, message);
        Assert.Contains("asft.json", message);
        Assert.Contains("asft.json", Plain(path).Message);
    }

    [Theory]
    [InlineData("\"Judge\": {", "\"Judge\": null, \"Rest\": {")]
    [InlineData("\"Categories\": [", "\"Categories\": [ null,")]
    [InlineData("\"ResponseColumnName\":", "\"ResponseColumnName\": null, \"Rest\":")]
    public void Null_in_a_scoring_part_is_told_with_zip_and_part(string from, string to)
    {
        var rows = _context.Data.LoadFromEnumerable(new[] { new Row() });
        using var scoring = _context.Transforms.ScoreHarmfulness(new RefusalMatchOptions()).Fit(rows);
        var path = _folder.File("scoring.zip");
        _context.Model.SaveAsft(scoring, rows.Schema, path);
        ZipEdit.Text(path, "harmfulness.json", json => json.Contains(from) ? json.Replace(from, to) : throw new InvalidOperationException(from));
        var message = Assert.IsType<InvalidDataException>(Refused(path)).Message;
        Assert.Contains(path, message);
        Assert.Contains("harmfulness.json", message);
    }

    [Theory]
    [InlineData("no zip at all")]
    [InlineData("PK")]
    public void What_is_no_pipeline_is_named(string content) => Assert.Contains("some.zip", Refused(_folder.Write("some.zip", content)).Message);

    private string Save(ITransformer transformer)
    {
        _context.Model.Save(transformer, Pipelines.Rows(_context).Schema, _folder.File("model.zip"));
        return _folder.File("model.zip");
    }

    private Exception Refused(string path)
    {
        var error = Assert.ThrowsAny<Exception>(() => _context.Model.LoadAsft(path, out _));
        Assert.True(error is InvalidDataException or DirectoryNotFoundException, error.ToString());
        return error;
    }

    private Exception Plain(string path)
    {
        var error = Assert.ThrowsAny<Exception>(() => _context.Model.Load(path, out _));
        while (error.InnerException is { } inner && error is System.Reflection.TargetInvocationException) error = inner;
        return error;
    }

    private static string Json(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    private sealed class Row
    {
        public string Prompt { get; set; } = "Who is Lily?";

        public string Response { get; set; } = "A girl.";

        public string GeneratedText { get; set; } = "A girl.";
    }
}
