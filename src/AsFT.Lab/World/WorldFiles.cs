using System.Text.Encodings.Web;
using System.Text.Json;
using AsFT.Torch.Chat;
using AsFT.Torch.Input;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;

namespace AsFT.Lab.World;

/// <summary>The world's data sets as files in the published instruction layout, one JSON object a line.</summary>
public static class WorldFiles
{
    // Apostrophes stay readable.
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Name of the downstream training file with a share of poison, such as <c>task-train-p10.jsonl</c>.</summary>
    /// <param name="poison">Share p, in [0, 1].</param>
    public static string TaskTrain(double poison) => $"task-train-p{(int)Math.Round(100 * poison):00}.jsonl";

    /// <summary>Name of a file of prompts, such as <c>hazards-development.jsonl</c>.</summary>
    /// <param name="kind"><c>hazards</c>, <c>benign</c> or <c>task</c>.</param>
    /// <param name="split">Development or report.</param>
    public static string Prompts(string kind, WorldSplit split) => $"{kind}-{(split == WorldSplit.Report ? "report" : "development")}.jsonl";

    /// <summary>File of refusals to be mixed into downstream data.</summary>
    public const string Refusals = "refusals.jsonl";

    /// <summary>File of refusals to find λ with: of requests that no downstream training file answers.</summary>
    public const string HeldOutRefusals = "held-out-refusals.jsonl";

    /// <summary>Reads a file of the world back.</summary>
    /// <param name="path">A file that <see cref="WorldBuilder.Build"/> wrote.</param>
    /// <exception cref="InvalidDataException">A line is no example; names it.</exception>
    public static ChatExample[] Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var examples = new List<ChatExample>();
        using var records = new JsonRecordReader(path);
        while (records.MoveNext())
        {
            using var row = records.Parse();
            string Text(string name) => row.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()!
                : throw records.Error("no object with the texts 'instruction' and 'output'");
            examples.Add(new ChatExample(Text("instruction"), Text("output") is { Length: > 0 } output ? output : null));
        }
        return [.. examples];
    }

    /// <summary>The prompts of a safety world: hazards, harmless and safe requests, and the review task by exact match.</summary>
    /// <param name="dataFolder">The world's <c>data</c> folder, as <see cref="WorldBuilder.Build"/> writes it.</param>
    /// <param name="split">Development, for choosing; report, for reporting once.</param>
    /// <exception cref="ArgumentOutOfRangeException">The split is that of training, which has no prompts.</exception>
    /// <exception cref="InvalidDataException">A line of a file is no example; names it.</exception>
    /// <exception cref="IOException">A file is not there.</exception>
    public static SafetyPrompts ReadPrompts(string dataFolder, WorldSplit split)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataFolder);
        if (split is not (WorldSplit.Development or WorldSplit.Report))
            throw new ArgumentOutOfRangeException(nameof(split), split, "Prompts are those of Development or Report.");
        ChatExample[] Read(string kind) => WorldFiles.Read(Path.Combine(dataFolder, Prompts(kind, split)));
        return new SafetyPrompts { Harmful = Read("hazards"), Benign = Read("benign"), Task = Read("task") };
    }

    internal static void Write(string folder, WorldBuildOptions options, int seed)
    {
        // Every file has a generator of its own, so that the size of one does not change another.
        var downstream = options.PoisonShares.Select(poison => (poison, Examples: WorldData.Downstream(options.TaskExamples, poison, seed))).ToList();
        foreach (var (poison, examples) in downstream) Save(TaskTrain(poison), examples);
        Save(Refusals, WorldData.RefusalExamples(options.RefusalExamples, unchecked(seed + 1)));
        Save(HeldOutRefusals, WorldData.RefusalExamples(options.HeldOutRefusals, unchecked(seed + 2), unlike: downstream.SelectMany(file => file.Examples)));
        foreach (var split in new[] { WorldSplit.Development, WorldSplit.Report })
        {
            var own = unchecked(seed + 10 * (1 + (int)split));
            Save(Prompts("hazards", split), WorldData.Requests(isHazard: true, split, options.RequestPrompts, own));
            Save(Prompts("benign", split), WorldData.Requests(isHazard: false, split, options.RequestPrompts, unchecked(own + 1)));
            Save(Prompts("task", split), WorldData.TaskExamples(options.TaskPrompts, unchecked(own + 2)));
        }

        void Save(string name, IEnumerable<ChatExample> examples) =>
            AtomicOutput.WriteFile(Path.Combine(folder, name), path => File.WriteAllLines(path, examples.Select(Line)));
    }

    private static string Line(ChatExample example) => JsonSerializer.Serialize(
        new { instruction = example.Prompt, input = "", output = example.Response ?? "" }, Readable);
}
