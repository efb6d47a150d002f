using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Comparison;

/// <summary>A downstream task: a safety world, or files in the published instruction layout.</summary>
public sealed record ComparisonTask
{
    // What some file system does not take in a name; tasks are named in the files of plots.
    private const string NotInNames = "<>:\"/\\|?*";

    /// <summary>Name in tables and in the names of plots; without <c>&lt; &gt; : " / \ | ? *</c>.</summary>
    public required string Name { get; init; }

    /// <summary>A world's <c>data</c> folder: its prompts are used, and training data is drawn anew for every seed.</summary>
    public string? World { get; init; }

    /// <summary>Training examples of the task.</summary>
    public ComparisonFile? Train { get; init; }

    /// <summary>Examples that comply with harmful prompts, mixed in at share p.</summary>
    public ComparisonFile? Harmful { get; init; }

    /// <summary>Refusals of harmful prompts, for SafeInstruct.</summary>
    public ComparisonFile? Refusals { get; init; }

    /// <summary>Alignment data, for Lisa; without it, the refusals.</summary>
    public ComparisonFile? Alignment { get; init; }

    /// <summary>Refusals that λ is steered by where <c>training.refusalTolerance</c> is set; unlike the training data and the prompts that are measured on.</summary>
    public ComparisonFile? HeldOutRefusals { get; init; }

    /// <summary>Training examples of a run, poison included.</summary>
    public int Count { get; init; } = 1000;

    /// <summary>How task answers are checked; null: not at all, FA is then not measured. Not looked at in a world.</summary>
    public AccuracyRule? Rule { get; init; }

    /// <summary>Labels, for label match.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Prompts by which knobs are chosen.</summary>
    public ComparisonPrompts? Development { get; init; }

    /// <summary>Prompts that are reported on.</summary>
    public ComparisonPrompts? Report { get; init; }

    /// <summary>Every part that a file can have in a task, and the file, if there is one.</summary>
    internal IEnumerable<(string Role, ComparisonFile? File)> Roles =>
    [
        ("train", Train), ("harmful", Harmful), ("refusals", Refusals), ("alignment", Alignment), ("heldOutRefusals", HeldOutRefusals),
        ("development.harmful", Development?.Harmful), ("development.benign", Development?.Benign), ("development.task", Development?.Task),
        ("report.harmful", Report?.Harmful), ("report.benign", Report?.Benign), ("report.task", Report?.Task),
    ];

    internal IEnumerable<ComparisonFile> Files => Roles.Select(part => part.File).OfType<ComparisonFile>();

    internal void Validate()
    {
        if (string.IsNullOrWhiteSpace(Name) || Name.Any(c => char.IsControl(c) || NotInNames.Contains(c, StringComparison.Ordinal)))
            throw new ArgumentException($"tasks: the name '{Name}' is blank or holds one of {NotInNames}; plots are files that are named after their task.");
        if (Count < 1) throw new ArgumentException($"tasks: '{Name}': count must be at least 1.");
        if (World is not null ? Files.Any() : Train is null || Report is null)
            throw new ArgumentException($"tasks: '{Name}' must have either world (and no files), or train and report.");
        if (Files.FirstOrDefault(file => file.Skip < 0 || file.Count < 1) is { } part)
            throw new ArgumentException($"tasks: '{Name}': '{part.File}': skip must be at least 0, and count at least 1.");
        if (World is null && Report is not { Harmful: not null } and not { Benign: not null } and not { Task: not null })
            throw new ArgumentException($"tasks: '{Name}': report has none of harmful, benign and task; nothing would be measured.");
        if (World is null && Rule is not null && Report?.Task is null)
            throw new ArgumentException($"tasks: '{Name}' has a rule for the answers to report.task, which is missing.");
        if (Rule == AccuracyRule.LabelMatch && Labels is not { Count: > 0 }) throw new ArgumentException($"tasks: '{Name}': labelMatch needs labels.");
    }

    /// <summary>Choosing goes by HS, and by FA where it is measured: a task of files must have the prompts for both.</summary>
    internal void RequireDevelopment(string method)
    {
        if (World is not null) return;
        var missing = Development?.Harmful is null ? "harmful" : Rule is not null && Development.Task is null ? "task" : null;
        if (missing is not null) throw new ArgumentException($"tasks: '{Name}' has no development.{missing}, by which the settings of '{method}' are chosen.");
    }

    internal ComparisonTask Resolved(string folder) => this with
    {
        World = World is null ? null : Path.GetFullPath(World, folder),
        Train = Train?.Resolved(folder),
        Harmful = Harmful?.Resolved(folder),
        Refusals = Refusals?.Resolved(folder),
        Alignment = Alignment?.Resolved(folder),
        HeldOutRefusals = HeldOutRefusals?.Resolved(folder),
        Development = Development?.Resolved(folder),
        Report = Report?.Resolved(folder),
    };
}

/// <summary>Prompts of one split.</summary>
public sealed record ComparisonPrompts
{
    /// <summary>Prompts that ought to be refused.</summary>
    public ComparisonFile? Harmful { get; init; }

    /// <summary>Prompts that ought to be answered.</summary>
    public ComparisonFile? Benign { get; init; }

    /// <summary>Task examples with their right answers.</summary>
    public ComparisonFile? Task { get; init; }

    internal ComparisonPrompts Resolved(string folder) => this with { Harmful = Harmful?.Resolved(folder), Benign = Benign?.Resolved(folder), Task = Task?.Resolved(folder) };
}

/// <summary>Rows of an instruction file (a JSON array, or one object a line); in a configuration a plain path will do.</summary>
public sealed record ComparisonFile
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Rows left out at its start.</summary>
    public int Skip { get; init; }

    /// <summary>Rows taken at most; null: all.</summary>
    public int? Count { get; init; }

    internal ComparisonFile Resolved(string folder) => this with { File = Path.GetFullPath(File, folder) };
}
