using Spectre.Console;
using Spectre.Console.Rendering;

namespace AsFT.MLNet.Cli.Output;

/// <summary>
/// A table in the tool's style. Where the console is too narrow for it, its rows stack: the first cell, and below it the
/// others, each with its column's name.
/// </summary>
internal sealed class ResultTable(params string[] columns) : Renderable
{
    private readonly List<string[]> _rows = [];

    /// <param name="cells">One for each column.</param>
    public void AddRow(params string[] cells)
    {
        if (cells.Length != columns.Length) throw new ArgumentException($"A row has {cells.Length} cells; the table has {columns.Length} columns.", nameof(cells));
        _rows.Add(cells);
    }

    protected override Measurement Measure(RenderOptions options, int maxWidth) => new(1, Math.Min(maxWidth, Natural(options)));

    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
        Natural(options) <= maxWidth ? ((IRenderable)SideBySide()).Render(options, maxWidth) : Stacked(maxWidth);

    private int Natural(RenderOptions options) => ((IRenderable)SideBySide()).Measure(options, ToolConsole.Unbounded).Max;

    private Table SideBySide()
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns) table.AddColumn(new TableColumn(new Text(column)).NoWrap());
        foreach (var row in _rows) table.AddRow(row.Select(cell => new Text(cell)));
        return table;
    }

    private IEnumerable<Segment> Stacked(int width)
    {
        yield return Segment.LineBreak;
        foreach (var row in _rows)
        {
            yield return Line(row[0], width);
            yield return Segment.LineBreak;
            for (var i = 1; i < row.Length; i++)
            {
                // An empty cell has nothing to say; the second of two columns is what the first one names.
                if (row[i].Length == 0) continue;
                yield return Line($"    {(columns.Length > 2 && columns[i].Length > 0 ? $"{columns[i]}: " : "")}{row[i]}", width);
                yield return Segment.LineBreak;
            }
        }
        yield return Segment.LineBreak;
    }

    private static Segment Line(string text, int width) => new(Prose.Wrap(text, width, hanging: 2));
}
