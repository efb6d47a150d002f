using AsFT.Torch.Safety.Metrics;
using ScottPlot;

namespace AsFT.MLNet.Cli.Plots;

/// <summary>The quickstart's table as a picture: for each model its HS, FA and over-refusal as bars with Wilson's 95 % intervals.</summary>
internal static class QuickstartPlot
{
    // Okabe and Ito's colours, told apart by colour-blind eyes and in grey.
    private static readonly Color[] Colours = [Color.FromHex("#999999"), Color.FromHex("#D55E00"), Color.FromHex("#0072B2"), Color.FromHex("#009E73")];

    private static readonly string[] Measures = ["HS, harmful score\n(lower is better)", "FA, task accuracy\n(higher is better)", "over-refusal\n(lower is better)"];

    /// <summary>Writes <c>.png</c> and <c>.svg</c>.</summary>
    /// <param name="path">Path without the ending.</param>
    /// <param name="title">Title of the plot.</param>
    /// <param name="models">Names and the three rates, in the order of the measures.</param>
    /// <returns>The two files.</returns>
    public static (string Png, string Svg) Save(string path, string title, IReadOnlyList<(string Name, BinomialRate[] Rates)> models)
    {
        using var plot = PlotStyle.NewPlot(title, "", "percent of prompts, with 95 % interval");
        var step = models.Count + 1;
        for (var m = 0; m < models.Count; m++)
        {
            var colour = Colours[m % Colours.Length];
            var bars = plot.Add.Bars(models[m].Rates.Select((rate, i) => new Bar { Position = i * step + m, Value = rate.Percent, FillColor = colour, LineColor = colour, Size = 0.85 }).ToArray());
            bars.LegendText = models[m].Name;
            for (var i = 0; i < models[m].Rates.Length; i++)
            {
                var (rate, x) = (models[m].Rates[i], i * step + m);
                var whisker = plot.Add.Line(x, rate.LowerPercent, x, rate.UpperPercent);
                (whisker.Color, whisker.LineWidth) = (Colors.Black, 1.5f);
                var label = plot.Add.Text($"{rate.Percent:0.#}", x, rate.UpperPercent + 1);
                (label.LabelAlignment, label.LabelFontSize, label.LabelFontColor) = (Alignment.LowerCenter, 13, Colors.Black);
            }
        }
        plot.Axes.Bottom.SetTicks([.. Measures.Select((_, i) => i * step + (models.Count - 1) / 2.0)], Measures);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.SetLimits(-1, Measures.Length * step - 1, 0, 112);
        plot.Axes.Left.SetTicks([0, 20, 40, 60, 80, 100], ["0", "20", "40", "60", "80", "100"]);
        plot.HideGrid();
        plot.ShowLegend(Edge.Right);
        var files = PlotStyle.SaveGrid(path, [plot], 1, 960, 480);
        return (files[0], files[1]);
    }
}
