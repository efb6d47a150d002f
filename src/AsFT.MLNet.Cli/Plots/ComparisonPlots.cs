using AsFT.Lab;
using AsFT.Lab.Comparison;
using ScottPlot;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>The two pictures of a comparison.</summary>
internal static class ComparisonPlots
{
    /// <summary>HS against FA over what was searched: development runs, one line a method, one plot a share of poison.</summary>
    /// <returns>The files; none when nothing was searched.</returns>
    public static IReadOnlyList<string> SaveCurves(ComparisonResult result, string folder)
    {
        var files = new List<string>();
        foreach (var task in result.Config.Tasks)
        {
            var plots = result.Config.Poison.Select(p => Curves(result, task.Name, p)).OfType<Plot>().ToList();
            if (plots.Count > 0) files.AddRange(PlotStyle.SaveGrid(Path.Combine(folder, Name("curves", result, task.Name)), plots, Math.Min(2, plots.Count), 680, 480));
        }
        return files;
    }

    /// <summary>HS, FA and over-refusal per method and share of poison: means over the report seeds, with their standard deviations.</summary>
    public static IReadOnlyList<string> SaveBars(ComparisonResult result, string folder) =>
        [.. result.Config.Tasks.SelectMany(task => PlotStyle.SaveGrid(Path.Combine(folder, Name("methods", result, task.Name)),
            [
                Bars(result, task.Name, "Harmful answers on report prompts", "HS, %", s => s.Hs),
                Bars(result, task.Name, "Task accuracy on report prompts", "FA, %", s => s.Fa),
            ], 1, 980, 400))];

    private static string Name(string kind, ComparisonResult result, string task) => result.Config.Tasks.Count == 1 ? kind : $"{kind}-{task}";

    private static Plot? Curves(ComparisonResult result, string task, double poison)
    {
        var plot = PlotStyle.NewPlot($"{task}, p = {poison:0.##}: development runs, one point a setting", "FA, % (task accuracy)", "HS, % (harmful answers)");
        var isEmpty = true;
        foreach (var (method, i) in result.Config.Methods.Select((m, i) => (m, i)))
        {
            var points = result.Development(task, poison, method.Name).Where(p => double.IsFinite(p.Hs.Mean) && double.IsFinite(p.Fa.Mean)).ToList();
            if (points.Count == 0) continue;
            isEmpty = false;
            var color = PlotStyle.Palette[i % PlotStyle.Palette.Length];
            var line = plot.Add.Scatter(points.Select(p => p.Fa.Mean).ToArray(), points.Select(p => p.Hs.Mean).ToArray(), color);
            line.LegendText = method.Name;
            line.LineWidth = 1.8f;
            line.MarkerSize = 7;
            line.MarkerShape = i < PlotStyle.Palette.Length ? MarkerShape.FilledCircle : MarkerShape.FilledSquare;
            // λ where the line is ordered by it; other searches have names too long for a plot.
            if (points.Count > 1)
                foreach (var point in points.Where(p => p.Lambda is > 0))
                {
                    var label = plot.Add.Text($"{point.Lambda:G3}", point.Fa.Mean, point.Hs.Mean);
                    label.LabelFontSize = 9;
                    label.LabelFontColor = color;
                    label.OffsetX = 5;
                    label.OffsetY = -5;
                }
        }
        if (isEmpty) return null;
        plot.Axes.Margins(0.1, 0.05);
        plot.ShowLegend(Edge.Right);
        return plot;
    }

    private static Plot Bars(ComparisonResult result, string task, string title, string y, Func<MethodSummary, Moments> value)
    {
        var plot = PlotStyle.NewPlot($"{task}: {title} (mean ± s.d. over {result.Config.ReportSeeds.Count} seeds)", "share of poison p in the training data", y);
        var methods = result.Config.Methods;
        var (width, ticks) = (0.8 / methods.Count, new List<Tick>());
        for (var g = 0; g < result.Config.Poison.Count; g++) ticks.Add(new(g, $"p = {result.Config.Poison[g]:0.##}"));
        for (var m = 0; m < methods.Count; m++)
        {
            var bars = new List<Bar>();
            for (var g = 0; g < result.Config.Poison.Count; g++)
            {
                var moments = value(result.Summarize(task, result.Config.Poison[g], methods[m].Name));
                if (!double.IsFinite(moments.Mean)) continue;
                bars.Add(new Bar
                {
                    Position = g - 0.4 + width * (m + 0.5),
                    Value = moments.Mean,
                    Size = width * 0.9,
                    Error = double.IsFinite(moments.Deviation) ? moments.Deviation : 0,
                    ErrorSize = width * 0.4,
                    FillColor = PlotStyle.Palette[m % PlotStyle.Palette.Length].WithAlpha(m < PlotStyle.Palette.Length ? 1 : 0.5),
                    LineWidth = 1.2f,
                    LineColor = PlotStyle.Ink,
                });
            }
            if (bars.Count > 0) plot.Add.Bars(bars).LegendText = methods[m].Name;
        }
        plot.Axes.Bottom.SetTicks([.. ticks.Select(t => t.Position)], [.. ticks.Select(t => t.Label)]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Grid.XAxisStyle.IsVisible = false;
        plot.Axes.SetLimits(-0.5, result.Config.Poison.Count - 0.5, 0, 105);
        plot.ShowLegend(Edge.Right);
        return plot;
    }
}
