using AsFT.Lab.Basin;
using ScottPlot;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>The one-dimensional picture: harmful score above, refusal likelihood below, along D and across it.</summary>
internal static class BasinLinePlot
{
    /// <summary>Where the axis of log P(refusal) ends: below, a refusal is impossible for all that matters, and the shape near 0 would be flat.</summary>
    public const double LowestLogMass = -25;

    private const int Width = 900;
    private static readonly Color Along = PlotStyle.Palette[0];
    private static readonly Color Across = PlotStyle.Palette[1];

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    public static string[] Save(BasinScan scan, string path)
    {
        var refusal = Refusal(scan);
        if (scan.Judge is null) return PlotStyle.Save(path, Width, 380, (refusal, new PixelRect(0, Width, 380, 0)));
        var harmful = Harmful(scan);
        try
        {
            return PlotStyle.Save(path, Width, 680, (harmful, new PixelRect(0, Width, 340, 0)), (refusal, new PixelRect(0, Width, 680, 340)));
        }
        finally
        {
            harmful.Dispose();
            refusal.Dispose();
        }
    }

    private static Plot Harmful(BasinScan scan)
    {
        var plot = PlotStyle.NewPlot("Harmful answers\n", "", "HS, % of answers");
        Curves(plot, scan, p => p.HarmfulScore!.Value.Percent, s => (s.HarmfulScore!.Value, s.HarmfulScoreDeviation ?? 0), 0, 100);
        Dashed(plot, scan.Alignment.Points.Select(p => p.Alpha), scan.Alignment.Points.Select(p => p.Broken!.Value.Percent), Along, "broken, along D");
        if (scan.Random.Count > 0) Dashed(plot, scan.RandomSpread.Select(s => s.Beta), scan.RandomSpread.Select(s => s.Broken!.Value), Across, "broken, across D");
        Finish(plot, scan, -4, 104);
        return plot;
    }

    private static Plot Refusal(BasinScan scan)
    {
        var plot = PlotStyle.NewPlot("Likelihood of refusing\n", "distance from the aligned model, in lengths of D", "log P(refusal), nats");
        var lowest = Curves(plot, scan, p => p.RefusalLogMass, s => (s.RefusalLogMass, s.RefusalLogMassDeviation ?? 0), double.NegativeInfinity, 0);
        lowest = Math.Max(lowest, LowestLogMass);
        Finish(plot, scan, lowest * 1.06, -lowest * 0.06);
        return plot;
    }

    // Returns the lowest value drawn.
    private static double Curves(Plot plot, BasinScan scan, Func<BasinPoint, double> value, Func<BasinSpread, (double Mean, double Deviation)> spread, double floor, double ceiling)
    {
        var along = plot.Add.Scatter(scan.Alignment.Points.Select(p => p.Alpha).ToArray(), scan.Alignment.Points.Select(value).ToArray(), Along);
        (along.LineWidth, along.MarkerSize) = (2.5f, 5);
        along.LegendText = "along D";
        var lowest = scan.Alignment.Points.Min(value);
        if (scan.Random.Count > 0)
        {
            var (x, all) = (scan.RandomSpread.Select(s => s.Beta).ToArray(), scan.RandomSpread.Select(spread).ToArray());
            double[] low = [.. all.Select(v => Math.Max(floor, v.Mean - v.Deviation))], high = [.. all.Select(v => Math.Min(ceiling, v.Mean + v.Deviation))];
            if (scan.Random.Count > 1)
            {
                var band = plot.Add.FillY(x, low, high);
                band.FillColor = Across.WithAlpha(0.18);
                band.LineWidth = 0;
                band.LegendText = "s.d. across D";
            }
            var mean = plot.Add.Scatter(x, [.. all.Select(v => v.Mean)], Across);
            (mean.LineWidth, mean.MarkerSize) = (2.5f, 5);
            mean.LegendText = scan.Random.Count == 1 ? "across D (random)" : $"across D (mean of {scan.Random.Count})";
            lowest = Math.Min(lowest, low.Min());
        }
        plot.MoveToTop(along);
        return lowest;
    }

    private static void Dashed(Plot plot, IEnumerable<double> x, IEnumerable<double> y, Color color, string legend)
    {
        var line = plot.Add.ScatterLine(x.ToArray(), y.ToArray(), color.WithAlpha(0.75));
        (line.LineWidth, line.LinePattern, line.LegendText) = (1.5f, LinePattern.Dashed, legend);
    }

    private static void Finish(Plot plot, BasinScan scan, double bottom, double top)
    {
        var (left, right) = (Math.Min(scan.Options.From, -1), Math.Max(scan.Options.To, 0));
        plot.Axes.SetLimits(left - 0.04 * (right - left), right + 0.04 * (right - left), bottom, top);
        Mark(plot, -1, scan.IsWhole ? "base" : "base, in part");
        Mark(plot, 0, "aligned");
        plot.Legend.FontSize = 13;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.ShowLegend(Edge.Right).Alignment = Alignment.UpperLeft;
        // Both panels share one x axis.
        plot.Layout.Fixed(new PixelPadding(72, 215, 52, 64));
    }

    private static void Mark(Plot plot, double x, string text)
    {
        var line = plot.Add.VerticalLine(x, 1.5f, PlotStyle.Ink, LinePattern.Dotted);
        line.LabelText = text;
        line.LabelOppositeAxis = true;
        line.LabelFontSize = 13;
        line.LabelFontColor = PlotStyle.Ink;
        line.LabelBackgroundColor = Colors.Transparent;
        line.LabelBold = false;
    }
}
