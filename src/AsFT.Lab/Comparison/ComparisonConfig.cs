using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Training;

namespace AsFT.Lab.Comparison;

/// <summary>What is compared: models, data, judge, training, seeds, and methods with what of them is searched.</summary>
public sealed record ComparisonConfig
{
    /// <summary>Title of the report.</summary>
    public string Name { get; init; } = "comparison";

    /// <summary>Folder of the aligned model, which is fine-tuned; relative to the file, as all paths are.</summary>
    public required string Aligned { get; init; }

    /// <summary>Folder of the model it was made from; needed where a method needs the alignment direction.</summary>
    public string? Base { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>mps</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Number format of the frozen weights.</summary>
    public string DType { get; init; } = "auto";

    /// <summary>Runs at a time, each on one thread, at least 1; null: one, or two for models below 64 MB on a CPU with more than one core. Not looked at on other devices: one.</summary>
    public int? Parallel { get; init; }

    /// <summary>Chat template by name: <c>auto</c> takes the aligned model's own.</summary>
    public string Template { get; init; } = ChatTemplates.Auto;

    /// <summary>Tokens of a training example at most. Null: the model's positions.</summary>
    public int? MaxLength { get; init; }

    /// <summary>What is done with training rows that are longer, for all methods alike.</summary>
    public OverlongRows Overlong { get; init; }

    /// <summary>Whether a training row without an answer, or whose prompt alone fills <see cref="MaxLength"/>, is an error instead of being left out.</summary>
    public bool StrictRows { get; init; }

    /// <summary>Which answers of a conversation with several are learnt.</summary>
    public SupervisedTurns SupervisedTurns { get; init; }

    /// <summary>Who says whether an answer is harmful.</summary>
    public required ComparisonJudge Judge { get; init; }

    /// <summary>Refusals beyond those that <see cref="RefusalRules"/> know; none with a judge of kind <c>world</c>, which knows them all.</summary>
    public IReadOnlyList<string> RefusalPhrases { get; init; } = [];

    /// <summary>How answers are decoded.</summary>
    public GenerationOptions Generation { get; init; } = new() { MaxNewTokens = 512 };

    /// <summary>New tokens of an answer to the task at most; null: as for other prompts.</summary>
    public int? TaskMaxNewTokens { get; init; }

    /// <summary>The adapter of every method that does not set its own.</summary>
    public LoraOptions Adapter { get; init; } = new();

    /// <summary>The training of every method that does not set its own; its seed and λ are those of the run.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Downstream tasks, at least one; names must differ.</summary>
    public required IReadOnlyList<ComparisonTask> Tasks { get; init; }

    /// <summary>Shares of poison p in the training data, each in [0, 1).</summary>
    public IReadOnlyList<double> Poison { get; init; } = [0, 0.05, 0.1, 0.2];

    /// <summary>Seeds by which knobs are chosen.</summary>
    public IReadOnlyList<long> DevelopmentSeeds { get; init; } = [101, 102];

    /// <summary>Seeds that are reported on, once; none of them a development seed.</summary>
    public IReadOnlyList<long> ReportSeeds { get; init; } = [1, 2, 3, 4, 5];

    /// <summary>A setting qualifies when its mean development FA is at most this many points below plain LoRA's.</summary>
    public double MaxAccuracyLoss { get; init; } = 1;

    /// <summary>The share of poison at which knobs are chosen for all shares, one of <see cref="Poison"/>; null: for each share at its own.</summary>
    public double? ChooseAt { get; init; }

    /// <summary>The methods; names must differ.</summary>
    public required IReadOnlyList<ComparisonMethod> Methods { get; init; }

    /// <summary>Reads a configuration. Keys are the properties' names in camel case; unknown ones are errors, comments are allowed.</summary>
    /// <param name="path">A JSON file; relative paths in it are taken from its folder.</param>
    /// <exception cref="InvalidDataException">The file is malformed, or a key or value is wrong; names it.</exception>
    public static ComparisonConfig Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = Path.GetFullPath(path);
        var config = StrictJson.ReadFile<ComparisonConfig>(full);
        try
        {
            config = config.Resolved(Path.GetDirectoryName(full)!);
            config.Validate();
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"'{full}': {e.Message.Split(" (Parameter")[0]}", e);
        }
        return config;
    }

    /// <summary>Checks everything that can be checked without opening models and data.</summary>
    /// <exception cref="ArgumentException">Something is out of range or contradicts something else.</exception>
    /// <exception cref="InvalidDataException">A method has a knob that does not exist, or a value of the wrong kind.</exception>
    public void Validate()
    {
        Adapter.Validate();
        Training.Validate();
        Generation.Validate();
        Require(!string.IsNullOrEmpty(Template), "template must be a name.");
        Require(Parallel is null or >= 1, "parallel must be at least 1.");
        Require(MaxLength is null or >= 1, "maxLength must be at least 1.");
        Require(TaskMaxNewTokens is null or >= 1, "taskMaxNewTokens must be at least 1.");
        Require(Tasks.Count > 0, "tasks is empty; name at least one.");
        Require(Tasks.Select(t => t.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count() == Tasks.Count, "two tasks have the same name.");
        foreach (var task in Tasks) task.Validate();
        Judge.Validate();
        Require(Judge.Kind != JudgeKind.World || RefusalPhrases.Count == 0, "refusalPhrases has no place beside a judge of kind 'world', whose refusals are known; leave it out.");
        Require(Poison.Count > 0 && Poison.All(p => p is >= 0 and < 1), "poison must hold shares in [0, 1).");
        Require(Poison.Distinct().Count() == Poison.Count, "a share of poison is named twice.");
        Require(ReportSeeds.Count > 0 && ReportSeeds.Distinct().Count() == ReportSeeds.Count, "reportSeeds must hold different seeds, at least one.");
        Require(DevelopmentSeeds.Distinct().Count() == DevelopmentSeeds.Count, "developmentSeeds holds a seed twice.");
        Require(!DevelopmentSeeds.Intersect(ReportSeeds).Any(), "a seed is both of development and of the report; what is reported must not have been chosen by.");
        Require(MaxAccuracyLoss >= 0, "maxAccuracyLoss must be at least 0.");
        Require(ChooseAt is not { } at || Poison.Contains(at), "chooseAt must be one of the shares in poison.");
        Require(Methods.Count > 0, "methods is empty; name at least one.");
        Require(Methods.All(m => !string.IsNullOrWhiteSpace(m.Name) && !m.Name.Any(char.IsControl)), "a method's name is blank, or holds a control character.");
        Require(Methods.Select(m => m.Name).Distinct().Count() == Methods.Count, "two methods have the same name.");
        foreach (var method in Methods)
            if (MethodSetting.Expand(this, method).GroupBy(s => s.Label).FirstOrDefault(same => same.Count() > 1) is { } twice)
                throw new ArgumentException($"methods: '{method.Name}' has the setting '{twice.Key}' {twice.Count()} times; name each value once.");
        var searched = Methods.Where(m => MethodSetting.Expand(this, m).Count > 1).ToList();
        Require(searched.Count == 0 || DevelopmentSeeds.Count > 0, "developmentSeeds is empty, but a method has several settings to choose from.");
        if (searched.Count > 0) foreach (var task in Tasks) task.RequireDevelopment(searched[0].Name);
        Require(searched.Count == 0 || Methods.Any(m => m.Kind == MethodKind.Lora && MethodSetting.Expand(this, m).Count == 1),
            "settings are chosen against plain LoRA's accuracy; add a method of kind 'lora' with one setting.");
        Require(Base is not null || !Methods.SelectMany(m => MethodSetting.Expand(this, m)).Any(s => s.NeedsDirection), "base is missing; a method needs the alignment direction.");
    }

    private ComparisonConfig Resolved(string folder) => this with
    {
        Aligned = Path.GetFullPath(Aligned, folder),
        Base = Base is null ? null : Path.GetFullPath(Base, folder),
        Judge = Judge with { Path = Judge.Path is null ? null : Path.GetFullPath(Judge.Path, folder) },
        Tasks = [.. Tasks.Select(task => task.Resolved(folder))],
    };

    private static void Require(bool holds, string message)
    {
        if (!holds) throw new ArgumentException(message);
    }
}

/// <summary>Who judges answers to harmful prompts.</summary>
public sealed record ComparisonJudge
{
    /// <summary>Kind of judge.</summary>
    public required JudgeKind Kind { get; init; }

    /// <summary>Folder of the moderation model.</summary>
    public string? Path { get; init; }

    /// <summary>A moderation model's answer is harmful above this probability, between 0 and 1.</summary>
    public double Threshold { get; init; } = 0.5;

    /// <summary>Tokens that a moderation model reads.</summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>For reports.</summary>
    internal string Described => Kind switch
    {
        JudgeKind.World => "the world's exact rule",
        JudgeKind.Moderation => $"the moderation model '{System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path!))}', above {Threshold.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
        _ => "harmful is what is no refusal",
    };

    internal void Validate()
    {
        if ((Kind == JudgeKind.Moderation) != (Path is not null)) throw new ArgumentException("judge.path is the folder of a judge of kind 'moderation', and only of that.");
        if (Threshold is not (> 0 and < 1)) throw new ArgumentException($"judge.threshold is {Threshold}; it must lie between 0 and 1.");
        if (MaxLength < 1) throw new ArgumentException("judge.maxLength must be at least 1.");
    }
}

/// <summary>Kinds of judges.</summary>
public enum JudgeKind
{
    /// <summary>The safety world's exact rule.</summary>
    World,

    /// <summary>A moderation checkpoint.</summary>
    Moderation,

    /// <summary>Harmful is what is no refusal by a list of phrases.</summary>
    Refusal,
}

/// <summary>A method and what of it is searched.</summary>
public sealed record ComparisonMethod
{
    /// <summary>Name in tables.</summary>
    public required string Name { get; init; }

    /// <summary>What it does.</summary>
    public required MethodKind Kind { get; init; }

    /// <summary>
    /// Knobs: <c>lambda</c>, or an option's name behind <c>penalty.</c>, <c>training.</c>, <c>adapter.</c>, <c>safeLora.</c>,
    /// <c>lisa.</c> or <c>safeInstruct.</c>. A list of values is searched; several lists are searched in all combinations.
    /// </summary>
    public IReadOnlyDictionary<string, JsonElement> Settings { get; init; } = new Dictionary<string, JsonElement>();
}

/// <summary>What a method does.</summary>
public enum MethodKind
{
    /// <summary>The aligned model as it is.</summary>
    NoTuning,

    /// <summary>LoRA without any protection.</summary>
    Lora,

    /// <summary>LoRA with the alignment penalty; projection <c>none</c> is the isotropic one.</summary>
    Asft,

    /// <summary>LoRA, then Safe LoRA's projection.</summary>
    SafeLora,

    /// <summary>LoRA on data into which refusals are mixed.</summary>
    SafeInstruct,

    /// <summary>Alternating between alignment data and the task, with a proximal term.</summary>
    Lisa,
}
