using System.Globalization;
using System.Text;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Comparison;

/// <summary>A comparison as Markdown.</summary>
public static class ComparisonMarkdown
{
    /// <summary>The report: tables, what was chosen, tests, and what they say.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="pictures">Files beside the report to show in it, by name.</param>
    public static string Write(ComparisonResult result, IReadOnlyList<string>? pictures = null)
    {
        ArgumentNullException.ThrowIfNull(result);
        var text = new StringBuilder();
        var config = result.Config;
        Line(text, $"# {config.Name}");
        Line(text, "");
        var seeds = string.Join(", ", config.ReportSeeds);
        Line(text, (result.Choices.Any(choice => choice.Qualifies is not null)
            ? $"Every knob was chosen per method on development seeds ({string.Join(", ", config.DevelopmentSeeds)}) and development prompts{(config.ChooseAt is { } at ? $" at p = {Number(at)}" : ", for each share of poison p on its own")}: "
                + $"the lowest HS among the settings whose mean FA is at most {Number(config.MaxAccuracyLoss)} percentage point(s) below plain LoRA's; ties by FA; where none is, the highest FA. What was chosen was run once on report seeds ({seeds}) and report prompts. "
            : $"Settings are fixed; nothing was searched. Each was run once on report seeds ({seeds}) and report prompts. ")
            + $"Tables give mean ± standard deviation over {config.ReportSeeds.Count} report seeds, in percent; n where fewer have the number. HS counts harmful answers among those with a verdict; answers that are empty, garbled or without a verdict stand in a column of their own and are no safety. Refusals are counted by {ComparisonWorker.Refusals(config).Name}; judge: {config.Judge.Described}.");
        foreach (var note in result.Notes) Line(text, $"\n{note}");
        foreach (var task in config.Tasks)
        {
            foreach (var poison in config.Poison) Report(text, result, task.Name, poison);
            Development(text, result, task.Name);
        }
        foreach (var picture in pictures ?? []) Line(text, $"\n![{Path.GetFileNameWithoutExtension(picture)}]({picture})");
        return text.ToString();
    }

    /// <summary>What the tests say of the anchored penalties against the isotropic one and against plain LoRA, a line each; for the console too.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    public static IReadOnlyList<string> Verdicts(ComparisonResult result, string task, double poison)
    {
        ArgumentNullException.ThrowIfNull(result);
        var lines = new List<string>();
        var best = result.BestAnchored(task, poison);
        if (result.Lora is { } lora && (best ?? (result.Anchored is [var only, ..] ? only : null)) is { } anchored)
        {
            var difference = result.Compare(task, poison, lora, anchored);
            lines.Add($"p = {Number(poison)}: {anchored}{(best is null ? "" : " (the anchored penalty that the development runs name)")} against plain LoRA: HS {Signed(difference.Hs)} points, FA {Signed(difference.Fa)} points.");
        }
        if (result.Isotropic is { } isotropic)
            foreach (var method in result.Anchored)
            {
                var difference = result.Compare(task, poison, isotropic, method);
                var seeds = difference.HsDifferences.Count;
                var change = $"HS {Signed(difference.Hs)} points, FA {Signed(difference.Fa)} points";
                // Below six seeds no assignment of signs is rare enough for 0.05.
                if (seeds < 6)
                {
                    lines.Add($"p = {Number(poison)}: {method} against {isotropic}: {change}; {seeds} seeds are too few for a test.");
                    continue;
                }
                var (p, name) = double.IsNaN(difference.SignFlipP) ? (difference.TP, "paired t") : (difference.SignFlipP, "exact sign-flip");
                // With too many seeds for the exact test and no spread for the other: t is infinite.
                var isConstant = double.IsNaN(p) && difference.Hs != 0;
                var word = !(p < 0.05 || isConstant) ? "does not differ clearly from" : difference.Hs < 0 ? "is less harmful than" : "is MORE harmful than";
                lines.Add($"p = {Number(poison)}: {method} {word} {isotropic}: {change} ({(isConstant ? $"the same on each of {seeds} seeds" : $"{name} test over {seeds} seeds: {Equation(p)}")}).");
            }
        return lines;
    }

    /// <summary>Which methods have no numbers with which report seeds, and why, a line each; for the console too.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="task">Name of the task.</param>
    /// <param name="poison">Share of poison.</param>
    public static IReadOnlyList<string> WithoutNumbers(ComparisonResult result, string task, double poison)
    {
        ArgumentNullException.ThrowIfNull(result);
        return [.. from method in result.Config.Methods
                   from row in result.Report(task, poison, method.Name)
                   where !row.HasNumbers
                   group row by (row.Method, Diverged: row.Diverged is not null) into rows
                   select $"{rows.Key.Method} {(rows.Key.Diverged ? "diverged" : "could not run")} with seed {string.Join(", ", rows.Select(row => row.Seed))} and has no numbers there: {rows.First().Diverged ?? rows.First().CannotRun}"];
    }

    /// <summary>Mean ± deviation, and n where a run lacks the number.</summary>
    /// <param name="moments">A number over seeds.</param>
    /// <param name="runs">Runs in all; null: as many as have the number.</param>
    public static string Shown(Moments moments, int? runs = null)
    {
        if (moments.Count == 0) return "n/a";
        var text = StatisticsText.Percent(moments.Mean) + (double.IsNaN(moments.Deviation) ? "" : $" ± {StatisticsText.Percent(moments.Deviation)}");
        return moments.Count < runs ? $"{text} (n = {moments.Count})" : text;
    }

    private static void Report(StringBuilder text, ComparisonResult result, string task, double poison)
    {
        Line(text, $"\n## {task}, p = {Number(poison)}\n");
        Line(text, "| method | chosen | HS | FA | over-refusal | no verdict | ‖ΔW‖ | seconds |");
        Line(text, "| --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var method in result.Config.Methods)
        {
            var (summary, choice) = (result.Summarize(task, poison, method.Name), result.Choice(task, poison, method.Name));
            var chosen = choice.Setting.Label + (choice.Qualifies == false ? $" ({Unqualified(choice)})" : "");
            var numbers = new[] { summary.Hs, summary.Fa, summary.OverRefusal, summary.WithoutVerdict, summary.UpdateNorm, summary.Seconds }.Select(moments => Shown(moments, summary.Seeds));
            Line(text, $"| {Cell(method.Name)} | {Cell(chosen)} | {string.Join(" | ", numbers)} |");
        }
        var without = WithoutNumbers(result, task, poison);
        if (without.Count > 0) Line(text, "");
        foreach (var line in without) Line(text, $"- {line}");
        string[] references = [.. new[] { result.Lora, result.Isotropic }.OfType<string>()];
        var compared = result.Config.Methods.Where(m => m.Kind != MethodKind.NoTuning && !references.All(r => r == m.Name)).ToList();
        if (references.Length == 0 || compared.Count == 0) return;
        Line(text, $"\nDifferences of HS in points, on the same seeds and prompts. Tests **over seeds** (a seed is one observation): exact sign-flip permutation, whose p cannot fall below {P(Math.Pow(2, 1 - result.Config.ReportSeeds.Count))} with {result.Config.ReportSeeds.Count} seeds, and paired t. Test **over pooled prompts**: McNemar's exact, which takes prompts of one seed as independent though they share a model; it is too sure of itself.\n");
        Line(text, "| method | against | HS difference | sign-flip p (seeds) | paired t p (seeds) | McNemar p (prompts) | pairs | FA difference |");
        Line(text, "| --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var reference in references)
            foreach (var method in compared.Where(m => m.Name != reference))
            {
                var d = result.Compare(task, poison, reference, method.Name);
                Line(text, $"| {Cell(method.Name)} | {Cell(reference)} | {Signed(d.Hs)} | {P(d.SignFlipP)} | {P(d.TP)} | {P(d.Pooled.PValue)} | {d.Pooled.Pairs} | {Signed(d.Fa)} |");
            }
        Line(text, "");
        foreach (var verdict in Verdicts(result, task, poison)) Line(text, $"- {verdict}");
    }

    private static void Development(StringBuilder text, ComparisonResult result, string task)
    {
        var rows = (from p in result.Config.Poison from method in result.Config.Methods from point in result.Development(task, p, method.Name) select (p, method, point)).ToList();
        if (rows.Count == 0) return;
        Line(text, $"\n## {task}: development runs\n");
        var seeds = result.Config.DevelopmentSeeds.Count;
        Line(text, $"Mean ± standard deviation over {seeds} development seeds. These numbers chose; they are not results.\n");
        Line(text, "| p | method | setting | HS | FA | over-refusal |");
        Line(text, "| --- | --- | --- | --- | --- | --- |");
        foreach (var (p, method, point) in rows)
        {
            var diverged = result.Rows.Count(r => r.Split == ComparisonSplit.Development && (r.Task, r.Poison, r.Method, r.Setting) == (task, p, method.Name, point.Setting) && r.Diverged is not null);
            var cannot = result.Rows.Count(r => r.Split == ComparisonSplit.Development && (r.Task, r.Poison, r.Method, r.Setting) == (task, p, method.Name, point.Setting) && r.CannotRun is not null);
            Line(text, $"| {Number(p)} | {Cell(method.Name)} | {Cell(point.Setting)}{(diverged > 0 ? $" (diverged: {diverged} of {seeds})" : "")}{(cannot > 0 ? $" (could not run: {cannot} of {seeds})" : "")} | {string.Join(" | ", new[] { point.Hs, point.Fa, point.OverRefusal }.Select(moments => Shown(moments, seeds)))} |");
        }
    }

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private static string Number(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);

    private static string Signed(double value) => StatisticsText.Points(value);

    private static string Unqualified(ComparisonChoice choice) => choice.DevelopmentFa is null
        ? "no setting has HS and FA on development: the first" : choice.PlainFa is null ? "plain LoRA has no FA on development to hold others against: the highest FA" : $"no setting kept FA on development{(choice.DevelopmentHs is null ? " and has an HS" : "")}: the highest FA";

    // Below 1e-12 the rounding of Student's tail is all there is.
    private static string P(double value) => StatisticsText.PValue(value, 1e-12);

    private static string Equation(double p) => StatisticsText.PEquation(p, 1e-12);
}
