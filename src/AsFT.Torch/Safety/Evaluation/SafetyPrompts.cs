using AsFT.Torch.Chat;
using AsFT.Torch.Safety.Metrics;

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

    internal void Validate()
    {
        if (Harmful is null || Benign is null || Task is null) throw new ArgumentException("A list of prompts is null; give an empty one.");
        for (var i = 0; i < Task.Count; i++)
            if (Task[i].Response is null) throw new ArgumentException($"Task example {i} has no right answer: '{Task[i].Prompt}'.");
    }
}
