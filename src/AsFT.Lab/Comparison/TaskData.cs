using AsFT.Lab.World;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Training;

namespace AsFT.Lab.Comparison;

/// <summary>A task's examples and prompts. The same seed draws the same training data, whatever the method.</summary>
internal sealed class TaskData
{
    /// <summary>Raise it when the same seed begins to draw other data, from a world or from files: rows kept from before are then of other runs.</summary>
    public const int Version = 1;

    // A few dozen give the mean that the controller looks at.
    private const int HeldOutCount = 48;

    private static readonly string[] WorldKinds = ["hazards", "benign", "task"];
    private static readonly WorldSplit[] WorldSplits = [WorldSplit.Development, WorldSplit.Report];

    private readonly ComparisonTask _task;
    private readonly Dictionary<ComparisonFile, ChatExample[]> _training = [];

    // Everything is read and checked before the first run: a missing row must not end a comparison after a day.
    public TaskData(ComparisonConfig config, ComparisonTask task, ComparisonTokenizer tokenizer)
    {
        _task = task;
        if (task.World is { } world)
        {
            Prompts = new()
            {
                [ComparisonSplit.Development] = WorldFiles.ReadPrompts(world, WorldSplit.Development),
                [ComparisonSplit.Report] = WorldFiles.ReadPrompts(world, WorldSplit.Report),
            };
            Fingerprint = string.Join(' ', WorldKinds.SelectMany(kind => WorldSplits
                .Select(split => WorldFiles.Prompts(kind, split)).Select(name => $"{name}={CheckpointFingerprint.Compute(Path.Combine(world, name)).Sha256}")));
            if (Train(config.Poison.Max(), config.ReportSeeds[0]).Any(example => tokenizer.Tokenize(example).Truncated))
                throw new InvalidDataException($"tasks: '{task.Name}': maxLength {config.MaxLength} cuts the world's conversations; leave it out.");
            return;
        }
        var files = task.Files.Distinct().ToDictionary(file => file, InstructionFile.Read);
        var prompts = new TaskPrompts(task, files, tokenizer);
        Prompts = new() { [ComparisonSplit.Development] = prompts.Read(task.Development), [ComparisonSplit.Report] = prompts.Read(task.Report) };
        prompts.RequireDifferent();
        Fingerprint = string.Join(' ', task.Roles.Select(part => $"{part.Role}={(part.File is { } file ? $"{CheckpointFingerprint.Compute(file.File).Sha256} {file.Skip} {file.Count}" : "-")}"))
            + (config.Overlong == OverlongRows.Truncate ? "" : $" {config.Overlong}")
            + (config.SupervisedTurns == SupervisedTurns.All ? "" : $" {config.SupervisedTurns}");
        KeepWhatTeaches(config, files, tokenizer);
        if (prompts.TrainedOn().ToList() is { Count: > 0 } known) Note = string.Join(' ', new[] { Note, $"{task.Name}: {string.Join("; ", known)}." }.OfType<string>());
        RequireRows([.. config.Methods.SelectMany(method => MethodSetting.Expand(config, method)).Where(setting => setting.Method.Kind != MethodKind.NoTuning)], config.Poison);
    }

    public Dictionary<ComparisonSplit, SafetyPrompts> Prompts { get; }

    /// <summary>Changes with the content of the files.</summary>
    public string Fingerprint { get; }

    /// <summary>Training rows that are left out or cut, and why, and prompts that are reported on and trained on; null when there are none.</summary>
    public string? Note { get; private set; }

    /// <summary>Training data with a share of poison.</summary>
    public ChatExample[] Train(double poison, long seed)
    {
        if (_task.World is not null) return [.. WorldData.Downstream(_task.Count, poison, unchecked((int)seed))];
        var random = new Random(unchecked((int)seed));
        var poisoned = Poisoned(poison);
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
        : _training[_task.HeldOutRefusals!];

    /// <summary>Why a run cannot be done with these data; null when nothing is known to be in its way.</summary>
    public string? Hindrance(PlannedRun run) =>
        _task.World is not null && run.Setting.Training.RefusalTolerance is not null && WorldData.HazardsUnlike(Train(run.Poison, run.Seed)).Length == 0
            ? "its training data ask for every hazard of the world, so no refusal is left that λ could be found by (training.refusalTolerance)" : null;

    /// <summary>Alignment data: a world's own mixture of help and refusals, or the file's rows.</summary>
    public ChatExample[] Alignment(long seed) => _task.World is not null
        ? [.. WorldData.Alignment(_task.Count, unchecked((int)seed + 9_000_011))]
        : _training[(_task.Alignment ?? _task.Refusals)!];

    private int Poisoned(double poison) => (int)Math.Round(_task.Count * poison);

    private ChatExample[] Draw(ComparisonFile? file, string name, int count, Random random)
    {
        if (count == 0) return [];
        RequireRows(file, name, count);
        ChatExample[] rows = [.. _training[file!]];
        random.Shuffle(rows);
        return rows[..count];
    }

    // Before anything is drawn, so that all methods share what is drawn.
    private void KeepWhatTeaches(ComparisonConfig config, Dictionary<ComparisonFile, ChatExample[]> files, ComparisonTokenizer tokenizer)
    {
        var notes = new List<string>();
        foreach (var file in new[] { _task.Train, _task.Harmful, _task.Refusals, _task.Alignment, _task.HeldOutRefusals }.OfType<ComparisonFile>().Distinct())
        {
            var sieve = new RowSieve(config.Overlong, config.StrictRows, $"tasks: '{_task.Name}': '{file.File}'");
            _training[file] = [.. files[file].Where(row => sieve.Take(row, tokenizer.Tokenize) is not null)];
            sieve.RequireAny();
            if (!sieve.Counts.IsWhole) notes.Add($"'{Path.GetFileName(file.File)}': {sieve.Counts}");
        }
        if (notes.Count > 0) Note = $"{_task.Name}: not all of the training rows count, for any method. {string.Join(". ", notes)}.";
    }

    private void RequireRows(IReadOnlyList<MethodSetting> trained, IReadOnlyList<double> shares)
    {
        if (trained.Count == 0) return;
        RequireRows(_task.Harmful, "harmful", shares.Max(Poisoned));
        RequireRows(_task.Train, "train", _task.Count - shares.Min(Poisoned));
        foreach (var setting in trained)
            switch (setting.Method.Kind)
            {
                case MethodKind.SafeInstruct:
                    RequireRows(_task.Refusals, "refusals", setting.SafeInstruct.CountFor(_task.Count));
                    break;
                case MethodKind.Lisa when (_task.Alignment ?? _task.Refusals) is null:
                    throw new InvalidDataException($"tasks: '{_task.Name}' has neither alignment nor refusals, which '{setting.Method.Name}' needs.");
                case MethodKind.Asft when setting.Training.RefusalTolerance is not null && _task.HeldOutRefusals is null:
                    throw new InvalidDataException($"tasks: '{_task.Name}' has no heldOutRefusals, which training.refusalTolerance of '{setting.Method.Name}' needs.");
            }
    }

    private void RequireRows(ComparisonFile? file, string name, int count)
    {
        if (count == 0) return;
        if (file is null) throw new InvalidDataException($"tasks: '{_task.Name}' has no file '{name}', of which {count} rows are wanted.");
        if (_training[file].Length < count) throw new InvalidDataException($"tasks: '{_task.Name}': '{file.File}' has {_training[file].Length} rows that can be trained on; {count} are wanted.");
    }
}
