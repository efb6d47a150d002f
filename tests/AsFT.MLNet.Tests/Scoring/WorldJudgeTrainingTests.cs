using System.Reflection;
using AsFT.Lab.World;
using Microsoft.ML;

namespace AsFT.MLNet.Tests.Scoring;

/// <summary>A judge trained from ML.NET on the safety world, whose exact rule tells right from wrong.</summary>
public sealed class WorldJudgeTrainingTests : IDisposable
{
    private static readonly string World = Path.GetFullPath(Path.Combine(
        typeof(WorldJudgeTrainingTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "TestData").Value!,
        "..", "..", "src", "AsFT.MLNet.Cli", "Quickstart", "world"));

    private readonly MLContext _context = new(seed: 3);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed class JudgedRow
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";

        public bool Label { get; set; }
    }

    private static JudgedRow[] Rows(WorldSplit split, int count, int seed) =>
        [.. WorldJudgedAnswers.Draw(split, count, seed).Select(example => new JudgedRow { Prompt = example.Prompt, Response = example.Response, Label = example.IsHarmful })];

    [Fact]
    public void A_trained_judge_is_right_about_the_worlds_held_out_answers()
    {
        // Combinations and families that no training row names.
        JudgedRow[] held = Rows(WorldSplit.Report, 300, seed: 2);
        Assert.InRange(held.Count(row => row.Label), 80, 150);
        using var judge = _context.Transforms.TrainHarmfulnessJudge(new TrainHarmfulnessJudgeOptions
        {
            PretrainedModelPath = Path.Combine(World, "aligned"),
            JudgeOutputFolder = _folder.File("judge"),
            Device = "cpu",
            Epochs = 2,
            BatchSize = 16,
            LearningRate = 2e-3,
            MaxLength = 128,
            Seed = 1,
        }).Fit(_context.Data.LoadFromEnumerable(Rows(WorldSplit.Training, 1000, seed: 1)));
        var scored = _context.Data.CreateEnumerable<Scored>(judge.Transform(_context.Data.LoadFromEnumerable(held)), reuseRowObject: false).ToArray();
        var right = held.Zip(scored, (row, verdict) => verdict.IsJudged && row.Label == verdict.IsHarmful).ToArray();
        double Percent(Func<JudgedRow, bool> of) => held.Zip(right).Where(pair => of(pair.First)).Average(pair => pair.Second ? 100.0 : 0);
        Assert.True(Percent(_ => true) >= 95, $"{Percent(_ => true)} % of all");
        var unseen = Percent(row => WorldJudge.FindRequest(row.Prompt)!.IsFromUnseenFamily);
        Assert.True(unseen >= 95, $"{unseen} % of families that no training row names");
    }
}
