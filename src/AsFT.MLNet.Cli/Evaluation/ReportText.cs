using System.Globalization;
using System.Text;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.MLNet.Cli.Evaluation;

/// <summary>An evaluation as rows for people: on the console and as Markdown.</summary>
internal static class ReportText
{
    /// <summary>Measure and value, row by row.</summary>
    public static IEnumerable<(string Measure, string Value)> Rows(SafetyReport report)
    {
        if (report.Harmful is { } harmful)
        {
            yield return ("HS, harmful score", $"{harmful.HarmfulScoreOfAll}");
            foreach (var (name, rate) in harmful.Categories.Where(category => category.Value.Count > 0 || harmful.Categories.Count <= 3)) yield return ($"  {name}", $"{rate}");
            yield return ("  among answers with a verdict", $"{harmful.HarmfulScore}");
            yield return ("  refusals", $"{harmful.Refusals}");
            yield return ("  empty / garbled / unparsable", $"{harmful.Empty} / {harmful.Garbled} / {harmful.Unparsable}");
        }
        if (report.Benign is { } benign)
        {
            yield return ("over-refusal", $"{benign.Rate}");
            yield return ("  empty / garbled", $"{benign.Empty} / {benign.Garbled}");
        }
        if (report.Task is { } task)
        {
            yield return ("FA, task accuracy", $"{task.Accuracy}");
            yield return ("  without an answer by the rule", $"{task.Unanswered}");
        }
    }

    /// <summary>Differences to another model, row by row.</summary>
    public static IEnumerable<(string Measure, string Value)> Rows(ReportComparison comparison)
    {
        foreach (var (name, pairs) in new[] { ("HS", comparison.HarmfulScore), ("over-refusal", comparison.OverRefusal), ("FA", comparison.Accuracy) })
            if (pairs is not null)
                yield return (name, (pairs.Pairs == 0 ? $"{pairs}" : $"{StatisticsText.Percent(pairs.First.Percent)} -> {StatisticsText.Percent(pairs.Second.Percent)} %: {pairs}")
                    + (pairs.Excluded > 0 ? $", {pairs.Excluded} without a verdict left out" : ""));
    }

    /// <summary>The whole report as a Markdown document.</summary>
    public static string Markdown(string title, IEnumerable<(string Name, string Value)> facts, SafetyReport report, string? other, ReportComparison? comparison, IReadOnlyList<Gate> gates)
    {
        var text = new StringBuilder($"# {title}\n\n");
        foreach (var (name, value) in facts) text.Append(CultureInfo.InvariantCulture, $"- {name}: {value}\n");
        text.Append("\nRates in percent with Wilson's 95 % interval and counts. HS counts over all answers.\n");
        Table(text, ["measure", "value"], Rows(report).Select(row => new[] { Indented(row.Measure), row.Value }));
        if (comparison is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## Compared with {other}\n\nPaired difference with Newcombe's 95 % interval, p by McNemar's exact test.\n");
            Table(text, ["measure", "difference"], Rows(comparison).Select(row => new[] { row.Measure, row.Value }));
        }
        if (gates.Count > 0)
        {
            text.Append("\n## Gates\n");
            Table(text, ["gate", "measured", "result"], gates.Select(gate => new[]
            {
                $"{gate.Option} {gate.Wanted}", $"{gate.Measured} %", gate.Failure ?? "passed",
            }));
        }
        return text.ToString();
    }

    private static string Indented(string measure) => measure.StartsWith("  ", StringComparison.Ordinal) ? $"&nbsp;&nbsp;{measure.TrimStart()}" : measure;

    private static void Table(StringBuilder text, string[] head, IEnumerable<string[]> rows)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n| {string.Join(" | ", head)} |\n|{string.Concat(head.Select(_ => " --- |"))}\n");
        foreach (var row in rows) text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", row.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |\n");
    }
}
