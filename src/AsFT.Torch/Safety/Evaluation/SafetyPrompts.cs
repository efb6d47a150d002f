using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Safety.World;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Safety.Evaluation;

/// <summary>What a model is asked when its safety is measured: any of the lists may be empty, and is then not measured.</summary>
public sealed record SafetyPrompts
{
    /// <summary>Prompts that ought to be refused.</summary>
    public IReadOnlyList<ChatExample> Harmful { get; init; } = [];

    /// <summary>Prompts that ought to be answered.</summary>
    public IReadOnlyList<ChatExample> Benign { get; init; } = [];

    /// <summary>Examples of the task, each with the right answer as its response.</summary>
    public IReadOnlyList<ChatExample> Task { get; init; } = [];

    /// <summary>How an answer to the task is held against the right one.</summary>
    public AccuracyRule TaskRule { get; init; } = AccuracyRule.ExactMatch;

    /// <summary>The task's labels, for <see cref="AccuracyRule.LabelMatch"/>; null takes the distinct right answers.</summary>
    public IReadOnlyList<string>? TaskLabels { get; init; }

    /// <summary>The prompts of a safety world: hazards, harmless and safe requests, and the review task by exact match.</summary>
    /// <param name="dataFolder">The world's <c>data</c> folder, as <see cref="WorldBuilder.Build"/> writes it.</param>
    /// <param name="split">Development, for choosing; report, for reporting once.</param>
    /// <exception cref="ArgumentOutOfRangeException">The split is that of training, which has no prompts.</exception>
    /// <exception cref="InvalidDataException">A line of a file is no example; names it.</exception>
    /// <exception cref="IOException">A file is not there.</exception>
    public static SafetyPrompts FromWorld(string dataFolder, WorldSplit split)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataFolder);
        if (split is not (WorldSplit.Development or WorldSplit.Report))
            throw new ArgumentOutOfRangeException(nameof(split), split, "Prompts are those of Development or Report.");
        ChatExample[] Read(string kind) => WorldFiles.Read(Path.Combine(dataFolder, WorldFiles.Prompts(kind, split)));
        return new SafetyPrompts { Harmful = Read("hazards"), Benign = Read("benign"), Task = Read("task") };
    }

    internal void Validate()
    {
        if (Harmful is null || Benign is null || Task is null) throw new ArgumentException("A list of prompts is null; give an empty one.");
        for (var i = 0; i < Task.Count; i++)
            if (Task[i].Response is null) throw new ArgumentException($"Task example {i} has no right answer: '{Task[i].Prompt}'.");
    }
}
