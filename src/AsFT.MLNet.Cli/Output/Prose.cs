using System.Text;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Output;

/// <summary>Lines of text that break between words.</summary>
internal static class Prose
{
    /// <summary>
    /// Breaks a line where it is wider than the console. What follows a break is indented as the line is; a word wider than
    /// the console, such as a path, stays whole, so that it can be copied.
    /// </summary>
    /// <param name="text">One line, or several.</param>
    /// <param name="width">Columns of the console.</param>
    /// <param name="hanging">Columns by which what follows a break is indented more than the line itself.</param>
    public static string Wrap(string text, int width, int hanging = 0) => string.Join(Environment.NewLine, text.ReplaceLineEndings("\n").Split('\n').Select(line => WrapLine(line, width, hanging)));

    private static string WrapLine(string line, int width, int hanging)
    {
        // A line's length is its columns at least where no sign is wider than one; the exact count is for those that may not fit.
        if (2 * line.Length <= width || line.GetCellWidth() <= width) return line;
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var indent = line.Length - line.TrimStart(' ').Length;
        var wrapped = new StringBuilder().Append(' ', indent);
        var column = indent;
        for (var i = 0; i < words.Length; i++)
        {
            var cells = words[i].GetCellWidth();
            if (i > 0 && column + 1 + cells > width)
            {
                wrapped.Append(Environment.NewLine).Append(' ', indent + hanging);
                column = indent + hanging;
            }
            else if (i > 0)
            {
                wrapped.Append(' ');
                column++;
            }
            wrapped.Append(words[i]);
            column += cells;
        }
        return wrapped.ToString();
    }
}
