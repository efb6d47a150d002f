using AsFT.Torch.Alignment;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Comparison;

/// <summary>What a comparison came to.</summary>
/// <param name="Config">What was compared.</param>
/// <param name="Choices">Per task, share of poison and method: the setting that is reported on.</param>
/// <param name="Rows">All runs, development first.</param>
public sealed record ComparisonResult(ComparisonConfig Config, IReadOnlyList<ComparisonChoice> Choices, IReadOnlyList<ComparisonRow> Rows)
{
    /// <summary>What all runs went without, such as rows that nothing can be learnt from; one line a task.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Report rows of a method.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    /// <param name="method">Name of the method.</param>
    public IReadOnlyList<ComparisonRow> Report(string task, double poison, string method) =>
        [.. Rows.Where(row => row.Split == ComparisonSplit.Report && row.Task == task && row.Poison == poison && row.Method == method).OrderBy(row => row.Seed)];

    /// <summary>The setting of a method that is reported on.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    /// <param name="method">Name of the method.</param>
    public ComparisonChoice Choice(string task, double poison, string method) =>
        Choices.First(choice => choice.Task == task && choice.Poison == poison && choice.Setting.Method.Name == method);

    /// <summary>Means over the report seeds.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    /// <param name="method">Name of the method.</param>
    public MethodSummary Summarize(string task, double poison, string method)
    {
        var rows = Report(task, poison, method);
        return new(rows.Count, Over(rows, r => r.Hs), Over(rows, r => r.Fa), Over(rows, r => r.OverRefusal), Over(rows, r => r.WithoutVerdict),
            Over(rows, r => r.Refusals), Over(rows, r => r.UpdateNorm), Over(rows, r => r.Seconds));
    }

    /// <summary>Means over the development seeds, per setting of a method in the order of its grid.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    /// <param name="method">Name of the method.</param>
    public IReadOnlyList<(string Setting, double? Lambda, Moments Hs, Moments Fa, Moments OverRefusal)> Development(string task, double poison, string method) =>
        [.. Rows.Where(row => row.Split == ComparisonSplit.Development && row.Task == task && row.Poison == poison && row.Method == method)
            .GroupBy(row => row.Setting)
            .Select(g => (g.Key, g.First().Lambda, Over(g, r => r.Hs), Over(g, r => r.Fa), Over(g, r => r.OverRefusal)))];

    /// <summary>Two methods on the same report seeds and prompts.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    /// <param name="first">Name of the first method.</param>
    /// <param name="second">Name of the second; differences are second minus first.</param>
    public MethodDifference Compare(string task, double poison, string first, string second)
    {
        // Without those that diverged or could not run, which answered no prompt.
        var (a, b) = (Report(task, poison, first).Where(row => row.HasNumbers), Report(task, poison, second).Where(row => row.HasNumbers));
        var pairs = a.Join(b, row => row.Seed, row => row.Seed, (x, y) => (First: x, Second: y)).ToList();
        var pooled = PairedComparison.Compare([.. pairs.SelectMany(p => Outcomes(p.First))], [.. pairs.SelectMany(p => Outcomes(p.Second))]);
        double[] hs = [.. pairs.Where(p => p.First.Hs is not null && p.Second.Hs is not null).Select(p => p.Second.Hs!.Value - p.First.Hs!.Value)];
        double[] fa = [.. pairs.Where(p => p.First.Fa is not null && p.Second.Fa is not null).Select(p => p.Second.Fa!.Value - p.First.Fa!.Value)];
        return new(first, second, hs, fa, pooled);
    }

    /// <summary>The isotropic penalty, if it is compared.</summary>
    public string? Isotropic => Config.Methods.FirstOrDefault(m => IsAsft(m, AlignmentProjection.None))?.Name;

    /// <summary>Plain LoRA, if it is compared.</summary>
    public string? Lora => (ComparisonChoice.PlainLora(Config) ?? Config.Methods.FirstOrDefault(m => m.Kind == MethodKind.Lora))?.Name;

    /// <summary>The penalties that know the direction.</summary>
    public IReadOnlyList<string> Anchored => [.. Config.Methods.Where(m => m.Kind == MethodKind.Asft && !IsAsft(m, AlignmentProjection.None)).Select(m => m.Name)];

    /// <summary>The anchored penalty that the development runs name the best: by the rule by which settings are chosen. Null when there is none, or nothing was searched.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    public string? BestAnchored(string task, double poison) => Anchored.Select(m => Choice(task, poison, m)).Where(c => c.Qualifies is not null)
        .OrderByDescending(c => c.Qualifies).ThenBy(c => c.Qualifies == true ? c.DevelopmentHs ?? double.PositiveInfinity : -(c.DevelopmentFa ?? 0)).ThenByDescending(c => c.DevelopmentFa ?? 0)
        .FirstOrDefault()?.Setting.Method.Name;

    private static Moments Over(IEnumerable<ComparisonRow> rows, Func<ComparisonRow, double?> value) => Moments.Of(rows.Select(value).OfType<double>());

    private bool IsAsft(ComparisonMethod method, AlignmentProjection projection) =>
        method.Kind == MethodKind.Asft && MethodSetting.Expand(Config, method).All(s => s.Penalty.Projection == projection);

    private static IEnumerable<bool?> Outcomes(ComparisonRow row) => row.Outcomes.Select(c => c switch { '1' => true, '0' => false, _ => (bool?)null });
}

/// <summary>A method over its report seeds; rates in percent.</summary>
/// <param name="Seeds">Runs.</param>
/// <param name="Hs">HS.</param>
/// <param name="Fa">FA.</param>
/// <param name="OverRefusal">Refusals of benign prompts.</param>
/// <param name="WithoutVerdict">Answers to harmful prompts that are neither harmful nor safe.</param>
/// <param name="Refusals">Refusals of harmful prompts.</param>
/// <param name="UpdateNorm">√Σ‖ΔW‖²_F.</param>
/// <param name="Seconds">Training and evaluation.</param>
public sealed record MethodSummary(int Seeds, Moments Hs, Moments Fa, Moments OverRefusal, Moments WithoutVerdict, Moments Refusals, Moments UpdateNorm, Moments Seconds);

/// <summary>Two methods on the same seeds and prompts.</summary>
/// <param name="First">Name of the first.</param>
/// <param name="Second">Name of the second.</param>
/// <param name="HsDifferences">Per seed, second minus first in points.</param>
/// <param name="FaDifferences">Per seed, second minus first in points.</param>
/// <param name="Pooled">All prompts of all seeds, paired; its McNemar p takes prompts of one seed as independent, which they are not.</param>
public sealed record MethodDifference(string First, string Second, IReadOnlyList<double> HsDifferences, IReadOnlyList<double> FaDifferences, PairedComparison Pooled)
{
    /// <summary>Mean difference of HS in points; NaN without seeds.</summary>
    public double Hs => HsDifferences.Count == 0 ? double.NaN : HsDifferences.Average();

    /// <summary>Mean difference of FA in points; NaN without seeds.</summary>
    public double Fa => FaDifferences.Count == 0 ? double.NaN : FaDifferences.Average();

    /// <summary>Exact sign-flip test over seeds.</summary>
    public double SignFlipP => SeedTests.SignFlip(HsDifferences);

    /// <summary>Paired t test over seeds.</summary>
    public double TP => SeedTests.PairedT(HsDifferences);
}
