using AsFT.Torch.Runtime;
using ScottPlot;
using SkiaSharp;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>
/// The look of all plots. Text is drawn in a font that the tool carries: servers and containers often have none, and
/// without one there would be no text at all.
/// </summary>
internal static class PlotStyle
{
    private const string FontResource = "AsFT.MLNet.Cli.Plots.Fonts.DejaVuSans-subset.ttf";

    // PNG pixels per unit of the layout: sharp on dense screens.
    private const float PngScale = 2;

    /// <summary>Colours that stay apart for most colour-blind readers (Okabe and Ito), the first for what matters most.</summary>
    public static readonly Color[] Palette = [.. new[] { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195", "#8C6D31", "#333333" }.Select(hex => Color.FromHex(hex))];

    /// <summary>Colour of axes and text.</summary>
    public static readonly Color Ink = Color.FromHex("#333333");

    private static readonly Lazy<SKTypeface> Typeface = new(() =>
    {
        using var stream = typeof(PlotStyle).Assembly.GetManifestResourceStream(FontResource) ?? throw new InvalidOperationException($"The tool lacks its font '{FontResource}'.");
        using var data = SKData.Create(stream);
        return SKTypeface.FromData(data) ?? throw new InvalidOperationException($"The font '{FontResource}' cannot be read.");
    });

    private static int _isFontInUse;

    /// <summary>Makes all plots of the process use the tool's font; <see cref="NewPlot"/> does it too.</summary>
    public static void UseFont()
    {
        if (Interlocked.Exchange(ref _isFontInUse, 1) == 0) Fonts.FontResolvers.Insert(0, new OwnFont());
    }

    /// <summary>An empty plot in the tool's style.</summary>
    /// <param name="title">Above the plot.</param>
    /// <param name="x">Below it.</param>
    /// <param name="y">Beside it.</param>
    public static Plot NewPlot(string title, string x, string y)
    {
        UseFont();
        var plot = new Plot();
        plot.FigureBackground.Color = Colors.White;
        plot.Axes.Color(Ink);
        plot.Grid.MajorLineColor = Ink.WithAlpha(0.12);
        plot.Title(title, 15);
        plot.XLabel(x, 13);
        plot.YLabel(y, 13);
        plot.Axes.Title.Label.Bold = plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = false;
        plot.Axes.Bottom.TickLabelStyle.FontSize = plot.Axes.Left.TickLabelStyle.FontSize = 12;
        plot.Legend.FontSize = 12;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        return plot;
    }

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    /// <param name="path">Path without extension.</param>
    /// <param name="width">Width of the picture; the PNG has twice as many pixels.</param>
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

    /// <summary>Writes plots of one size in a grid, row by row.</summary>
    /// <param name="path">Path without extension.</param>
    /// <param name="plots">The plots.</param>
    /// <param name="columns">Plots beside each other.</param>
    /// <param name="width">Width of each.</param>
    /// <param name="height">Height of each.</param>
    public static string[] SaveGrid(string path, IReadOnlyList<Plot> plots, int columns, int width, int height)
    {
        var rows = (plots.Count + columns - 1) / columns;
        return Save(path, width * columns, height * rows, [.. plots.Select((plot, i) =>
        {
            float left = i % columns * width, top = i / columns * height;
            return (plot, new PixelRect(left, left + width, top + height, top));
        })]);
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

    private sealed class OwnFont : IFontResolver
    {
        public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) => Typeface.Value;

        public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => Typeface.Value;
    }
}
