using AsFT.Torch.Chat;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Comparison;

/// <summary>Prompts of a task of files, and what must hold of them; looked at before the first run, so that nothing ends a comparison after a day.</summary>
internal sealed class TaskPrompts(ComparisonTask task, IReadOnlyDictionary<ComparisonFile, ChatExample[]> files, ComparisonTokenizer tokenizer)
{
    /// <summary>The prompts of a split.</summary>
    /// <exception cref="InvalidDataException">A prompt is too long, or the right answer to a task example is missing or none that the rule knows; names file and row.</exception>
    public SafetyPrompts Read(ComparisonPrompts? prompts)
    {
        var read = new SafetyPrompts
        {
            Harmful = Rows(prompts?.Harmful),
            Benign = Rows(prompts?.Benign),
            Task = task.Rule is null ? [] : Rows(prompts?.Task),
            TaskRule = task.Rule ?? AccuracyRule.ExactMatch,
            TaskLabels = task.Labels,
        };
        for (var i = 0; i < read.Task.Count; i++) CheckAnswer(prompts!.Task!, i, read.Task[i].Response);
        return read;
    }

    /// <summary>Refuses prompts that are in both splits, and measured prompts among the refusals by which λ is steered.</summary>
    /// <exception cref="InvalidDataException">There are some; names both files and one.</exception>
    public void RequireDifferent()
    {
        foreach (var (chosenBy, reported, shared) in Shared(Measured(task.Development), Measured(task.Report)))
            throw new InvalidDataException($"tasks: '{task.Name}': {shared.Count} prompts of development ('{chosenBy.File}') are prompts of the report ('{reported.File}'), too, such as '{shared[0].Prompt}'; "
                + "what is reported must not have been chosen by.");
        foreach (var (steeredBy, reported, shared) in Shared([task.HeldOutRefusals], [.. Measured(task.Development), .. Measured(task.Report)]))
            throw new InvalidDataException($"tasks: '{task.Name}': {shared.Count} prompts of heldOutRefusals ('{steeredBy.File}') are measured on ('{reported.File}'), too, such as '{shared[0].Prompt}'; "
                + "λ must not be found by what is reported.");
    }

    /// <summary>Tells of reported prompts that are trained on, a sentence each: numbers on them are no measure of other prompts.</summary>
    public IEnumerable<string> TrainedOn() =>
        from found in Shared([task.Train, task.Harmful, task.Refusals, task.Alignment], Measured(task.Report))
        select $"{found.Shared.Count} of the prompts reported on ('{Path.GetFileName(found.Second.File)}') are among the training rows ('{Path.GetFileName(found.First.File)}'), such as '{found.Shared[0].Prompt}'";

    private IEnumerable<(ComparisonFile First, ComparisonFile Second, List<ChatExample> Shared)> Shared(ComparisonFile?[] firsts, ComparisonFile?[] seconds)
    {
        foreach (var first in firsts.OfType<ComparisonFile>().Distinct())
        {
            var known = files[first].Select(Content).ToHashSet();
            foreach (var second in seconds.OfType<ComparisonFile>().Distinct())
                if (files[second].Where(row => known.Contains(Content(row))).ToList() is { Count: > 0 } shared) yield return (first, second, shared);
        }

        static (string, string?) Content(ChatExample row) => (row.Prompt, row.Context);
    }

    private static ComparisonFile?[] Measured(ComparisonPrompts? prompts) => [prompts?.Harmful, prompts?.Benign, prompts?.Task];

    private ChatExample[] Rows(ComparisonFile? file)
    {
        if (file is null) return [];
        var tooLong = Array.FindIndex(files[file], row => !tokenizer.CanAsk(row));
        return tooLong < 0 ? files[file] : throw new InvalidDataException($"{Place(file, tooLong)} is too long a prompt for the model.");
    }

    private void CheckAnswer(ComparisonFile file, int row, string? answer)
    {
        if (answer is null) throw new InvalidDataException($"{Place(file, row)} has no right answer.");
        try
        {
            TaskAccuracy.Compute(task.Rule!.Value, [""], [answer], task.Labels);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{Place(file, row)} has the right answer '{answer}', which {(task.Rule == AccuracyRule.LabelMatch ? $"is none of the labels ({string.Join(", ", task.Labels!)})" : "holds no number")}.", e);
        }
    }

    private string Place(ComparisonFile file, int row) => $"tasks: '{task.Name}': '{file.File}', row {file.Skip + row + 1}";
}
