using AsFT.Lab.Basin;
using ScottPlot;
using ScottPlot.Colormaps;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>The two-dimensional picture: heat maps over α along D and β along a random direction, with contours.</summary>
internal static class BasinSurfacePlot
{
    private const int Panel = 560;
    private const int Height = 480;

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    /// <exception cref="ArgumentException">The scan has no surface.</exception>
    public static string[] Save(BasinScan scan, string path)
    {
        var surface = scan.Surface ?? throw new ArgumentException("The scan has no surface.", nameof(scan));
        List<Plot> plots = [];
        try
        {
            if (scan.Judge is not null) plots.Add(Map(surface, "Harmful answers", "HS, %", p => p.HarmfulScore!.Value.Percent, new Turbo(), new ScottPlot.Range(0, 100), [10, 50, 90]));
            var lowest = Math.Max(BasinLinePlot.LowestLogMass, surface.Points.Min(p => p.RefusalLogMass));
            plots.Add(Map(surface, "Likelihood of refusing", "log P(refusal), nats", p => p.RefusalLogMass, new Viridis(), new ScottPlot.Range(lowest, 0), Levels(lowest)));
            return PlotStyle.Save(path, plots.Count * Panel, Height, [.. plots.Select((plot, i) => (plot, new PixelRect(i * Panel, (i + 1) * Panel, Height, 0)))]);
        }
        finally
        {
            foreach (var plot in plots) plot.Dispose();
        }
    }

    /// <summary>One heat map: the cell of every point lies around it.</summary>
    internal static Plot Map(BasinSurface surface, string title, string unit, Func<BasinPoint, double> value, IColormap colors, ScottPlot.Range range, double[] levels)
    {
        var (coordinates, count) = (surface.Coordinates, surface.Coordinates.Count);
        var plot = PlotStyle.NewPlot(title, "α, along D", "β, across D (random)");
        var (cells, grid) = (new double[count, count], new Coordinates3d[count, count]);
        for (var row = 0; row < count; row++)
            for (var column = 0; column < count; column++)
            {
                var z = value(surface.Points[row * count + column]);
                // The first row of a heat map is its top.
                cells[count - 1 - row, column] = z;
                grid[row, column] = new Coordinates3d(coordinates[column], coordinates[row], z);
            }
        var half = (coordinates[^1] - coordinates[0]) / (count - 1) / 2;
        var (low, high) = (coordinates[0] - half, coordinates[^1] + half);
        var map = plot.Add.Heatmap(cells);
        // The edges of the outer cells: Position would take their centres, and stretch the map by a cell.
        (map.Colormap, map.Rectangle, map.ManualRange) = (colors, new CoordinateRect(low, high, low, high), range);
        // One rectangle a cell: a bitmap would be blurred by viewers of the SVG.
        map.RenderStrategy = new ScottPlot.Plottables.Heatmap.RenderStrategies.Rectangles();
        // The levels count when the grid is handed over, so they come first.
        var contours = new ScottPlot.Plottables.ContourLines { ContourLineLevels = levels };
        contours.Update(grid);
        (contours.LineColor, contours.LineWidth) = (Colors.White, 1.5f);
        (contours.LabelStyle.FontSize, contours.LabelStyle.ForeColor, contours.LabelStyle.BackgroundColor) = (12, Colors.White, Colors.Black.WithAlpha(0.45));
        plot.Add.Plottable(contours);
        var bar = plot.Add.ColorBar(map);
        bar.Label = unit;
        bar.LabelStyle.FontSize = 14;
        Mark(plot, 0, "aligned", MarkerShape.FilledCircle, low, high);
        Mark(plot, -1, "base", MarkerShape.FilledDiamond, low, high);
        plot.HideGrid();
        plot.Axes.Left.MinimumSize = 70;
        plot.Axes.SetLimits(low, high, low, high);
        return plot;
    }

    private static void Mark(Plot plot, double x, string text, MarkerShape shape, double low, double high)
    {
        if (x < low || x > high || low > 0 || high < 0) return;
        var marker = plot.Add.Marker(x, 0, shape, 12, Colors.White);
        (marker.MarkerLineColor, marker.MarkerLineWidth) = (Colors.Black, 1.5f);
        var label = plot.Add.Text(text, x, 0);
        (label.LabelFontSize, label.LabelBold, label.LabelFontColor, label.LabelBackgroundColor) = (13, true, Colors.White, Colors.Black.WithAlpha(0.55));
        (label.OffsetY, label.LabelAlignment, label.LabelPadding) = (10, Alignment.UpperCenter, 3);
    }

    private static double[] Levels(double lowest) => [.. new[] { -0.5, -2, -10 }.Where(level => level > lowest)];
}
