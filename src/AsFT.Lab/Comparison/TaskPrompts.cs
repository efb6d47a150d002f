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

    /// <summary>Refuses prompts that are in both splits.</summary>
    /// <exception cref="InvalidDataException">There are some; names both files and one.</exception>
    public void RequireDifferent(ComparisonPrompts? development, ComparisonPrompts? report)
    {
        foreach (var chosenBy in Files(development))
        {
            var known = files[chosenBy].Select(Content).ToHashSet();
            foreach (var reported in Files(report))
            {
                var shared = files[reported].Where(row => known.Contains(Content(row))).ToList();
                if (shared.Count == 0) continue;
                throw new InvalidDataException($"tasks: '{task.Name}': {shared.Count} prompts of development ('{chosenBy.File}') are prompts of the report ('{reported.File}'), too, such as '{shared[0].Prompt}'; "
                    + "what is reported must not have been chosen by.");
            }
        }

        static (string, string?) Content(ChatExample row) => (row.Prompt, row.Context);
        static IEnumerable<ComparisonFile> Files(ComparisonPrompts? prompts) => new[] { prompts?.Harmful, prompts?.Benign, prompts?.Task }.OfType<ComparisonFile>();
    }

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

    private string Place(ComparisonFile file, int row) => $"tasks: '{task.Name}': '{file.File}', row {file.Skip + row}";
}
