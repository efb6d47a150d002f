using AsFT.MLNet.Cli.Plots;
using SkiaSharp;

namespace AsFT.MLNet.Cli.Tests.Plots;

public sealed class PlotStyleTests
{
    [Fact]
    public void Text_is_drawn_without_any_font_of_the_system_and_both_formats_are_written()
    {
        using var folder = new TemporaryFolder();
        string[] Save(string name, string title) => PlotStyle.Save(folder.File(name), 400, 300, (PlotStyle.NewPlot(title, "λ", "‖ΔW‖ ± s.d."), new ScottPlot.PixelRect(0, 400, 300, 0)));
        var plain = Save("plain", "");
        var titled = Save("titled", "HS – FA, Σ‖(I − C)·ΔW‖²");
        Assert.Equal(["titled.png", "titled.svg"], titled.Select(Path.GetFileName));
        // Ink that the title alone adds.
        Assert.True(DarkPixels(titled[0]) > DarkPixels(plain[0]) + 500, $"{DarkPixels(titled[0])} {DarkPixels(plain[0])}");
        Assert.Contains("<svg", File.ReadAllText(titled[1]));
        // Every sign that plots use is in the tool's font.
        var font = ScottPlot.Fonts.GetTypeface("any", false, false);
        Assert.All("λαβσΔΣ±−–·²‖ ≤≥×→⊥√", c => Assert.True(c == ' ' || font.ContainsGlyph(c), $"{c}"));
    }

    private static int DarkPixels(string path)
    {
        using var image = SKBitmap.Decode(path);
        return image.Pixels.Count(pixel => pixel.Red + pixel.Green + pixel.Blue < 300);
    }
}
