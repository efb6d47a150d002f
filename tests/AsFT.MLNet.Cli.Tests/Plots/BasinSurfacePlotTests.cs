using AsFT.Lab.Basin;
using AsFT.MLNet.Cli.Plots;
using ScottPlot;
using ScottPlot.Colormaps;
using ScottPlot.Plottables;
using SkiaSharp;

namespace AsFT.MLNet.Cli.Tests.Plots;

public sealed class BasinSurfacePlotTests
{
    [Fact]
    public void The_cell_of_every_point_lies_around_it()
    {
        // Seven points from -1.25 to 1.25, as the tool makes them; every value is different.
        double[] at = [.. Enumerable.Range(0, 7).Select(i => -1.25 + i * 2.5 / 6)];
        var points = at.SelectMany((beta, row) => at.Select((alpha, column) => new BasinPoint(alpha, beta) { RefusalPerToken = 0, RefusalLogMass = -(7 * row + column) })).ToList();
        using var plot = BasinSurfacePlot.Map(new BasinSurface(at, points), "", "", point => point.RefusalLogMass, new Viridis(), new ScottPlot.Range(-48, 0), [-100]);
        var map = Assert.Single(plot.GetPlottables<Heatmap>());
        Assert.Equal(2.5 / 6, map.CellWidth, 1e-9);
        using var image = SKBitmap.Decode(plot.GetImage(800, 700).GetImageBytes());
        foreach (var point in points)
            foreach (var (dx, dy) in new[] { (0.3, 0.3), (-0.45, 0.2), (0.45, -0.2), (0.2, 0.45), (-0.2, -0.45) })
            {
                var place = new Coordinates(point.Alpha + dx * map.CellWidth, point.Beta + dy * map.CellHeight);
                Assert.Equal(point.RefusalLogMass, map.GetValue(place));
                var (pixel, expected) = (plot.GetPixel(place), new Viridis().GetColor(1 + point.RefusalLogMass / 48));
                var drawn = image.GetPixel((int)pixel.X, (int)pixel.Y);
                Assert.True(Math.Abs(drawn.Red - expected.Red) + Math.Abs(drawn.Green - expected.Green) + Math.Abs(drawn.Blue - expected.Blue) < 12 || IsMarker(place),
                    $"at {point.Alpha:0.00}, {point.Beta:0.00}: {drawn} instead of {expected}");
            }
    }

    // Base and aligned are marked with a sign and a word.
    private static bool IsMarker(Coordinates place) => Math.Abs(place.Y) < 0.25 && (Math.Abs(place.X) < 0.2 || Math.Abs(place.X + 1) < 0.2);
}
