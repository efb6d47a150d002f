using AsFT.Torch.Checkpoints;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Safety.World;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Comparison;

/// <summary>A task's examples and prompts. The same seed draws the same training data, whatever the method.</summary>
internal sealed class TaskData
{
    // A few dozen give the mean that the controller looks at.
    private const int HeldOutCount = 48;

    private static readonly string[] WorldKinds = ["hazards", "benign", "task"];
    private static readonly WorldSplit[] WorldSplits = [WorldSplit.Development, WorldSplit.Report];

    private readonly ComparisonTask _task;
    private readonly Dictionary<ComparisonFile, ChatExample[]> _files = [];

    public TaskData(ComparisonTask task)
    {
        _task = task;
        if (task.World is { } world)
        {
            Prompts = new()
            {
                [ComparisonSplit.Development] = SafetyPrompts.FromWorld(world, WorldSplit.Development),
                [ComparisonSplit.Report] = SafetyPrompts.FromWorld(world, WorldSplit.Report),
            };
            Fingerprint = string.Join(' ', WorldKinds.SelectMany(kind => WorldSplits
                .Select(split => CheckpointFingerprint.Compute(Path.Combine(world, WorldFiles.Prompts(kind, split))).Sha256)));
            return;
        }
        // All files are read before the first run: a missing one must not end a comparison after a day.
        foreach (var file in task.Files) _files[file] = InstructionFile.Read(file);
        Prompts = new() { [ComparisonSplit.Development] = ReadPrompts(task.Development), [ComparisonSplit.Report] = ReadPrompts(task.Report) };
        Fingerprint = string.Join(' ', task.Files.Select(file => $"{CheckpointFingerprint.Compute(file.File).Sha256} {file.Skip} {file.Count}"));
    }

    public Dictionary<ComparisonSplit, SafetyPrompts> Prompts { get; }

    /// <summary>Changes with the content of the files.</summary>
    public string Fingerprint { get; }

    /// <summary>Training data with a share of poison.</summary>
    public ChatExample[] Train(double poison, long seed)
    {
        if (_task.World is not null) return [.. WorldData.Downstream(_task.Count, poison, unchecked((int)seed))];
        var random = new Random(unchecked((int)seed));
        var poisoned = (int)Math.Round(_task.Count * poison);
        ChatExample[] examples = [.. Draw(_task.Harmful, "harmful", poisoned, random), .. Draw(_task.Train, "train", _task.Count - poisoned, random)];
        random.Shuffle(examples);
        return examples;
    }

    /// <summary>Refusals to be mixed in, drawn with a seed of their own.</summary>
    public ChatExample[] Refusals(int count, long seed) => _task.World is not null
        ? [.. WorldData.RefusalExamples(count, unchecked((int)seed + 7_000_003))]
        : Draw(_task.Refusals, "refusals", count, new Random(unchecked((int)seed + 7_000_003)));

    /// <summary>Refusals that λ is steered by where a method asks for it; in the world, of requests that the run's training data do not answer.</summary>
    public ChatExample[] HeldOutRefusals(IReadOnlyList<ChatExample> train, long seed) => _task.World is not null
        ? [.. WorldData.RefusalExamples(HeldOutCount, unchecked((int)seed + 11_000_027), unlike: train)]
        : _task.HeldOutRefusals is { } file ? _files[file] : throw new InvalidDataException($"tasks: '{_task.Name}' has no heldOutRefusals, which training.refusalTolerance needs.");

    /// <summary>Alignment data: a world's own mixture of help and refusals, or the file's rows.</summary>
    public ChatExample[] Alignment(long seed)
    {
        if (_task.World is not null) return [.. WorldData.Alignment(_task.Count, unchecked((int)seed + 9_000_011))];
        var file = _task.Alignment ?? _task.Refusals ?? throw new InvalidDataException($"tasks: '{_task.Name}' has neither alignment nor refusals, which Lisa needs.");
        return _files[file];
    }

    private ChatExample[] Draw(ComparisonFile? file, string name, int count, Random random)
    {
        if (count == 0) return [];
        if (file is null) throw new InvalidDataException($"tasks: '{_task.Name}' has no file '{name}', of which {count} rows are wanted.");
        ChatExample[] rows = [.. _files[file]];
        if (rows.Length < count) throw new InvalidDataException($"tasks: '{_task.Name}': '{file.File}' has {rows.Length} rows; {count} are wanted for training.");
        random.Shuffle(rows);
        return rows[..count];
    }

    private SafetyPrompts ReadPrompts(ComparisonPrompts? prompts) => new()
    {
        Harmful = Read(prompts?.Harmful),
        Benign = Read(prompts?.Benign),
        Task = _task.Rule is null ? [] : Read(prompts?.Task),
        TaskRule = _task.Rule ?? AccuracyRule.ExactMatch,
        TaskLabels = _task.Labels,
    };

    private ChatExample[] Read(ComparisonFile? file) => file is null ? [] : _files[file];
}
