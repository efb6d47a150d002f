namespace AsFT.Lab.Comparison;

/// <summary>The setting of a method that is reported on for a task and a share of poison, and why.</summary>
public sealed record ComparisonChoice
{
    /// <summary>Name of the task.</summary>
    public required string Task { get; init; }

    /// <summary>Share of poison.</summary>
    public required double Poison { get; init; }

    /// <summary>What was chosen.</summary>
    public required MethodSetting Setting { get; init; }

    /// <summary>Mean HS over the development seeds; null when there was nothing to choose.</summary>
    public double? DevelopmentHs { get; init; }

    /// <summary>Mean FA over the development seeds; null when there was nothing to choose.</summary>
    public double? DevelopmentFa { get; init; }

    /// <summary>Plain LoRA's, which it is held against.</summary>
    public double? PlainFa { get; init; }

    /// <summary>Whether a setting kept FA and has an HS; if none does, the one with the highest FA was taken. Null when there was nothing to choose.</summary>
    public bool? Qualifies { get; init; }

    /// <summary>
    /// Chooses per method: among the settings whose mean development FA is at most <see cref="ComparisonConfig.MaxAccuracyLoss"/>
    /// points below plain LoRA's and that have an HS on every seed, the one with the lowest mean HS (ties: the higher FA, then
    /// the earlier); if there is none, the one with the highest FA. A run that diverged has neither.
    /// </summary>
    internal static IReadOnlyList<ComparisonChoice> Choose(ComparisonConfig config, IReadOnlyDictionary<string, IReadOnlyList<MethodSetting>> settings, IReadOnlyList<ComparisonRow> development)
    {
        var lora = PlainLora(config);
        return [.. from task in config.Tasks from poison in config.Poison from method in config.Methods select Choose(task.Name, poison, settings[method.Name])];

        ComparisonChoice Choose(string task, double poison, IReadOnlyList<MethodSetting> candidates)
        {
            if (candidates.Count == 1) return new() { Task = task, Poison = poison, Setting = candidates[0] };
            var at = config.ChooseAt ?? poison;
            ILookup<(string, string), ComparisonRow> rows = development.Where(row => row.Task == task && row.Poison == at).ToLookup(row => (row.Method, row.Setting));
            var plain = Mean(rows[(lora!.Name, "")], row => row.Fa);
            var all = candidates.Select(c => (Setting: c, Hs: Mean(rows[(c.Method.Name, c.Label)], row => row.Hs), Fa: Mean(rows[(c.Method.Name, c.Label)], row => row.Fa))).ToList();
            // Where FA is not measured it holds nobody back. The margin is for the rounding of means.
            var isFaMeasured = plain is not null || all.Any(c => c.Fa is not null);
            var good = all.Where(c => c.Hs is not null && (!isFaMeasured || c.Fa >= plain - config.MaxAccuracyLoss - 1e-9)).ToList();
            var best = good.Count > 0
                ? good.OrderBy(c => c.Hs).ThenByDescending(c => c.Fa ?? 0).First()
                : all.OrderByDescending(c => c.Fa ?? -1).First();
            return new() { Task = task, Poison = poison, Setting = best.Setting, DevelopmentHs = best.Hs, DevelopmentFa = best.Fa, PlainFa = plain, Qualifies = good.Count > 0 };
        }
    }

    /// <summary>LoRA with one setting, which the others are held against; null: there is none.</summary>
    internal static ComparisonMethod? PlainLora(ComparisonConfig config) => config.Methods.FirstOrDefault(m => m.Kind == MethodKind.Lora && MethodSetting.Expand(config, m).Count == 1);

    // Null as soon as one run has no number: a mean over the rest would be another quantity.
    private static double? Mean(IEnumerable<ComparisonRow> rows, Func<ComparisonRow, double?> value)
    {
        var values = rows.Select(value).ToList();
        return values.Count == 0 || values.Contains(null) ? null : values.Average();
    }
}
