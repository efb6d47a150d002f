using AsFT.Torch.Runtime;
using ScottPlot;
using SkiaSharp;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>Panels of one picture, and the look they share.</summary>
internal static class BasinCanvas
{
    public static readonly Color Along = Color.FromHex("#1f5fa8");
    public static readonly Color Across = Color.FromHex("#d9730d");
    public static readonly Color Ink = Color.FromHex("#333333");

    // PNG pixels per unit of the layout: sharp on dense screens, and small in a README.
    private const float PngScale = 2;

    // The library's own choice falls on a serif font where the usual ones are missing.
    private static string Font { get; } = new[] { "Inter", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans" }
        .FirstOrDefault(name => SKFontManager.Default.MatchFamily(name) is not null) ?? Fonts.Sans;

    /// <summary>A plot in the tool's style.</summary>
    public static Plot NewPlot(string title, string x, string y)
    {
        var plot = new Plot();
        plot.FigureBackground.Color = Colors.White;
        plot.Axes.Color(Ink);
        plot.Grid.MajorLineColor = Ink.WithAlpha(0.12);
        plot.Title(title, 16);
        plot.XLabel(x, 14);
        plot.YLabel(y, 14);
        plot.Axes.Bottom.TickLabelStyle.FontSize = 13;
        plot.Axes.Left.TickLabelStyle.FontSize = 13;
        plot.Font.Set(Font);
        plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = false;
        return plot;
    }

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    /// <param name="path">Path without extension.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    /// <param name="panels">Plots and where they lie.</param>
    /// <returns>The two paths.</returns>
    public static string[] Save(string path, int width, int height, params (Plot Plot, PixelRect Place)[] panels)
    {
        string[] files = [$"{path}.png", $"{path}.svg"];
        AtomicOutput.WriteFile(files[0], partial =>
        {
            using var surface = SKSurface.Create(new SKImageInfo((int)(width * PngScale), (int)(height * PngScale)));
            surface.Canvas.Scale(PngScale);
            Draw(surface.Canvas, panels);
            using var image = surface.Snapshot();
            using var data = image.Encode(SKEncodedImageFormat.Png, 100);
            using var stream = File.Create(partial);
            data.SaveTo(stream);
        });
        AtomicOutput.WriteFile(files[1], partial =>
        {
            using var stream = File.Create(partial);
            using var canvas = SKSvgCanvas.Create(SKRect.Create(width, height), stream);
            Draw(canvas, panels);
        });
        return files;
    }

    private static void Draw(SKCanvas canvas, (Plot Plot, PixelRect Place)[] panels)
    {
        canvas.DrawColor(SKColors.White);
        foreach (var (plot, place) in panels)
        {
            // A plot clears its whole canvas first.
            canvas.Save();
            canvas.ClipRect(new SKRect(place.Left, place.Top, place.Right, place.Bottom));
            plot.Render(canvas, place);
            canvas.Restore();
        }
    }
}
