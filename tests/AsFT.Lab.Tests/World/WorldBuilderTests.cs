using AsFT.Lab.World;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.Tests.World;

public sealed class WorldBuilderTests : IDisposable
{
    private static readonly WorldBuildOptions Tiny = new()
    {
        Documents = 96,
        AlignmentExamples = 64,
        ReplayDocuments = 32,
        TaskExamples = 40,
        PoisonShares = [0, 0.1],
        RequestPrompts = 10,
        TaskPrompts = 10,
        RefusalExamples = 5,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("asft-world-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_build_writes_two_models_that_load_and_every_data_file()
    {
        List<WorldBuildProgress> reports = [];
        WorldBuilder.Build(_folder, Tiny, new Recorder(reports), TestContext.Current.CancellationToken);

        Assert.Equal(["base", "aligned"], reports.Select(r => r.Stage).Distinct());
        string[] data =
        [
            "benign-development.jsonl", "benign-report.jsonl", "hazards-development.jsonl", "hazards-report.jsonl", "held-out-refusals.jsonl", "refusals.jsonl",
            "task-development.jsonl", "task-report.jsonl", "task-train-p00.jsonl", "task-train-p10.jsonl",
        ];
        Assert.Equal(data, new DirectoryInfo(Path.Combine(_folder, "data")).EnumerateFiles().Select(f => f.Name).Order(StringComparer.Ordinal));
        Assert.Equal(40, WorldFiles.Read(Path.Combine(_folder, "data", "task-train-p10.jsonl")).Length);
        Assert.All(WorldFiles.Read(Path.Combine(_folder, "data", "hazards-report.jsonl")), e => Assert.Null(e.Response));

        var tokenizer = LanguageTokenizer.Load(Path.Combine(_folder, "aligned"));
        foreach (var name in new[] { "base", "aligned" })
        {
            using var model = CausalLanguageModel.Load(Path.Combine(_folder, name), ComputePlacement.Resolve("cpu", "float32"));
            Assert.True(model.Config.VocabularySize >= tokenizer.VocabularySize);
            Assert.InRange(model.parameters().Sum(p => p.numel()), 100_000, 1_500_000);
            using var checkpoint = ModelCheckpoint.Open(Path.Combine(_folder, name));
            Assert.All(checkpoint.Entries.Values, entry => Assert.Equal(SafetensorsDType.F16, entry.DType));
        }
    }

    [Fact]
    public void The_same_seed_builds_the_same_bytes()
    {
        var (first, second) = (Path.Combine(_folder, "first"), Path.Combine(_folder, "second"));
        WorldBuilder.Build(first, Tiny, cancellationToken: TestContext.Current.CancellationToken);
        WorldBuilder.Build(second, Tiny, cancellationToken: TestContext.Current.CancellationToken);
        foreach (var file in Directory.EnumerateFiles(first, "*", SearchOption.AllDirectories))
            Assert.True(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(second, Path.GetRelativePath(first, file)))), file);
    }

    [Fact]
    public void A_line_that_is_no_example_is_named()
    {
        var path = Path.Combine(_folder, "bad.jsonl");
        File.WriteAllLines(path, ["""{"instruction":"a","input":"","output":"b"}""", """{"prompt":"a"}"""]);
        Assert.Contains("line 2", Assert.Throws<InvalidDataException>(() => WorldFiles.Read(path)).Message, StringComparison.Ordinal);
    }

    private sealed class Recorder(List<WorldBuildProgress> reports) : IProgress<WorldBuildProgress>
    {
        public void Report(WorldBuildProgress value) => reports.Add(value);
    }
}
