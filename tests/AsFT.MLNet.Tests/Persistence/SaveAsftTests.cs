using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.Persistence;

public sealed class SaveAsftTests(TrainedFixture trained) : IClassFixture<TrainedFixture>, IDisposable
{
    private readonly MLContext _context = new(seed: 7);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_zip_and_its_model_can_be_moved_together_and_hold_no_path_of_the_machine()
    {
        var model = Copy("here/models/tiny");
        using var transformer = Pipelines.Train(_context, o => (o.AlignedModelPath, o.MaxSteps) = (model, 1));
        var zip = Path.Combine(_folder.File("here"), "out", "model.zip");
        Save(transformer, zip);
        Assert.DoesNotContain(_folder.Path, ZipEdit.AllText(zip));
        Directory.Move(_folder.File("here"), _folder.File("there"));
        zip = Path.Combine(_folder.File("there"), "out", "model.zip");
        using var loaded = (IDisposable)_context.Model.LoadAsft(zip, out _);
        Assert.Equal(Answers(transformer), Answers((ITransformer)loaded));
        var error = Assert.ThrowsAny<Exception>(() => _context.Model.Load(zip, out _)).ToString();
        Assert.Contains("LoadAsft", error);
    }

    [Fact]
    public void Where_roots_are_given_nothing_outside_of_them_is_looked_at()
    {
        var model = Copy("models/tiny");
        using var transformer = Pipelines.Train(_context, o => (o.AlignedModelPath, o.MaxSteps) = (model, 1));
        var zip = Path.Combine(_folder.File("out"), "model.zip");
        Save(transformer, zip);
        void Load(params string[] roots) => ((IDisposable)_context.Model.LoadAsft(zip, new AsftLoadOptions { ModelRoots = roots }, out _)).Dispose();
        Load(_folder.File("models"));
        Load(_folder.Path);
        Directory.CreateDirectory(_folder.File("other"));
        Assert.Throws<DirectoryNotFoundException>(() => Load());
        Assert.Throws<DirectoryNotFoundException>(() => Load(_folder.File("other")));
        Directory.Move(model, Path.Combine(_folder.File("other"), "tiny"));
        Load(_folder.File("other"));
    }

    [Fact]
    public void A_save_that_fails_leaves_the_older_file_and_nothing_else()
    {
        var zip = _folder.File("model.zip");
        Save(trained.Transformer, zip);
        var before = File.ReadAllBytes(zip);
        var disposed = Pipelines.Train(_context, o => o.MaxSteps = 1);
        disposed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Save(disposed, zip));
        Assert.Equal(before, File.ReadAllBytes(zip));
        Assert.Equal([zip], Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void An_adapter_names_its_model_and_not_where_it_lies()
    {
        trained.Transformer.SaveAdapter(_folder.File("a"));
        Assert.Contains("\"base_model_name_or_path\": \"stories260K-aligned\"", File.ReadAllText(Path.Combine(_folder.File("a"), "adapter_config.json")));
        using var named = Pipelines.Train(_context, o => (o.MaxSteps, o.AdapterModelName) = (1, "me/stories"));
        named.SaveAdapter(_folder.File("b"));
        Assert.Contains("\"base_model_name_or_path\": \"me/stories\"", File.ReadAllText(Path.Combine(_folder.File("b"), "adapter_config.json")));
    }

    private void Save(ITransformer transformer, string zip) => _context.Model.SaveAsft(transformer, Pipelines.Rows(_context).Schema, zip);

    private string Copy(string name)
    {
        Directory.CreateDirectory(_folder.File(name));
        foreach (var file in Directory.EnumerateFiles(Pipelines.Aligned)) File.Copy(file, Path.Combine(_folder.File(name), Path.GetFileName(file)));
        return _folder.File(name);
    }

    private string[] Answers(ITransformer transformer) => [.. transformer.Transform(Pipelines.Rows(_context)).GetColumn<string>("GeneratedText")];
}
