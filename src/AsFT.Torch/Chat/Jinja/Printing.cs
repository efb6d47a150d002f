using System.Globalization;
using System.Text;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Values as Python writes them: <c>str</c>, <c>repr</c> and <c>json.dumps</c>.</summary>
internal static class Printing
{
    /// <summary>How a value is printed.</summary>
    public static SourcedText Str(object? value) => value switch
    {
        SourcedText text => text,
        Undefined => SourcedText.Empty,
        _ => new SourcedText(Repr(value), Source(value, 0)),
    };

    public static string Repr(object? value)
    {
        var target = new StringBuilder();
        Repr(target, value, 0);
        return target.ToString();
    }

    /// <summary>JSON as Python's json.dumps writes it.</summary>
    /// <param name="value">The value.</param>
    /// <param name="indent">Spaces per level; null: one line.</param>
    /// <param name="comma">Between entries.</param>
    /// <param name="colon">Between key and value.</param>
    /// <param name="isAscii">Whether other characters are escaped.</param>
    /// <param name="isSorted">Whether keys are sorted.</param>
    public static SourcedText Json(object? value, string? indent, string comma, string colon, bool isAscii, bool isSorted)
    {
        var target = new StringBuilder();
        new JsonPrinter(target, indent, comma, colon, isAscii, isSorted).Write(value, 0);
        return new(target.ToString(), Source(value, 0));
    }

    public static string Number(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        var magnitude = Math.Abs(value);
        if (magnitude != 0 && (magnitude >= 1e16 || magnitude < 1e-4))
        {
            var parts = value.ToString("E16", CultureInfo.InvariantCulture).Split('E');
            var digits = text.Contains('E', StringComparison.Ordinal) ? text.Split('E')[0] : Digits(text);
            var exponent = int.Parse(parts[1], CultureInfo.InvariantCulture);
            return $"{digits}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (text.Contains('E', StringComparison.Ordinal)) text = value.ToString("F0", CultureInfo.InvariantCulture);
        return text.Contains('.', StringComparison.Ordinal) ? text : text + ".0";
    }

    // The digits of a plain number as d.ddd: 0.00001234 is 1.234.
    private static string Digits(string text)
    {
        var sign = text.StartsWith('-') ? "-" : "";
        var digits = text.TrimStart('-').Replace(".", "", StringComparison.Ordinal).TrimStart('0').TrimEnd('0');
        return digits.Length == 1 ? sign + digits : $"{sign}{digits[0]}.{digits[1..]}";
    }

    // The source of the first text in a value that is not the template's own.
    private static char Source(object? value, int depth)
    {
        Operators.RequireDepth(depth);
        return value switch
        {
            SourcedText text => text.Sources.FirstOrDefault(source => source != '\0'),
            Sequence sequence => sequence.Items.Select(item => Source(item, depth + 1)).FirstOrDefault(source => source != '\0'),
            View view => view.Items.Select(item => Source(item, depth + 1)).FirstOrDefault(source => source != '\0'),
            Mapping mapping => mapping.Entries.Select(entry => Source(entry.Key, depth + 1) is var key and not '\0' ? key : Source(entry.Value, depth + 1)).FirstOrDefault(source => source != '\0'),
            _ => '\0',
        };
    }

    private static void Repr(StringBuilder target, object? value, int depth)
    {
        Operators.RequireDepth(depth);
        JinjaLimits.RequireText(target.Length);
        switch (value)
        {
            case null: target.Append("None"); break;
            case bool flag: target.Append(flag ? "True" : "False"); break;
            case long number: target.Append(number.ToString(CultureInfo.InvariantCulture)); break;
            case double number: target.Append(Number(number)); break;
            case SourcedText text: Quote(target, text.Value); break;
            case Undefined: target.Append("Undefined"); break;
            case Sequence { IsTuple: true } tuple: List(tuple.Items, "(", tuple.Items.Count == 1 ? ",)" : ")"); break;
            case Sequence sequence: List(sequence.Items, "[", "]"); break;
            case View { Name: "range" } range: target.Append(RangeText(range)); break;
            case View view: List(view.Items, $"{view.Name}([", "])"); break;
            case Mapping mapping:
                target.Append('{');
                for (var i = 0; i < mapping.Entries.Count; i++)
                {
                    if (i > 0) target.Append(", ");
                    Repr(target, mapping.Entries[i].Key, depth + 1);
                    target.Append(": ");
                    Repr(target, mapping.Entries[i].Value, depth + 1);
                }
                target.Append('}');
                break;
            case Namespace space:
                target.Append("<Namespace ");
                Repr(target, space.Fields, depth + 1);
                target.Append('>');
                break;
            default:
                // Python prints an address here, which nobody can want in a chat.
                throw new JinjaException($"a {Operators.TypeName(value)} cannot be printed");
        }

        void List(IReadOnlyList<object?> items, string open, string close)
        {
            target.Append(open);
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0) target.Append(", ");
                Repr(target, items[i], depth + 1);
            }
            target.Append(close);
        }
    }

    private static string RangeText(View range)
    {
        var items = range.Items;
        var (first, step) = (items.Count > 0 ? (long)items[0]! : 0, items.Count > 1 ? (long)items[1]! - (long)items[0]! : 1);
        return step == 1 ? $"range({first}, {first + items.Count})" : $"range({first}, {first + step * items.Count}, {step})";
    }

    private static void Quote(StringBuilder target, string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        target.Append(quote);
        for (var i = 0; i < text.Length; i++)
        {
            var character = text[i];
            if (character == quote || character == '\\') target.Append('\\').Append(character);
            else if (character == '\n') target.Append("\\n");
            else if (character == '\r') target.Append("\\r");
            else if (character == '\t') target.Append("\\t");
            else if (char.IsHighSurrogate(character) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                var rune = new Rune(character, text[++i]);
                if (IsPrintable(Rune.GetUnicodeCategory(rune))) target.Append(rune.ToString());
                else target.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
            }
            else if (character == ' ' || IsPrintable(char.GetUnicodeCategory(character))) target.Append(character);
            else if (character < 256) target.Append(CultureInfo.InvariantCulture, $"\\x{(int)character:x2}");
            else target.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        }
        target.Append(quote);
    }

    private static bool IsPrintable(UnicodeCategory category) => category is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    private sealed class JsonPrinter(StringBuilder target, string? indent, string comma, string colon, bool isAscii, bool isSorted)
    {
        public void Write(object? value, int depth)
        {
            Operators.RequireDepth(depth);
            JinjaLimits.RequireText(target.Length);
            switch (value)
            {
                case null: target.Append("null"); break;
                case bool flag: target.Append(flag ? "true" : "false"); break;
                case long number: target.Append(number.ToString(CultureInfo.InvariantCulture)); break;
                case double number: target.Append(double.IsFinite(number) ? Number(number) : double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity"); break;
                case SourcedText text: Quote(text.Value); break;
                case Sequence sequence:
                    Block('[', ']', sequence.Items, depth, item => Write(item, depth + 1));
                    break;
                case Mapping mapping:
                    var entries = isSorted ? [.. mapping.Entries.Order(Comparer<KeyValuePair<object?, object?>>.Create((a, b) => Operators.Compare(a.Key, b.Key)))] : mapping.Entries;
                    Block('{', '}', entries, depth, entry =>
                    {
                        Quote(Key(entry.Key));
                        target.Append(colon);
                        Write(entry.Value, depth + 1);
                    });
                    break;
                default:
                    throw new JinjaException($"Object of type {Operators.TypeName(value)} is not JSON serializable");
            }
        }

        private static string Key(object? key) => key switch
        {
            SourcedText text => text.Value,
            null => "null",
            bool flag => flag ? "true" : "false",
            long or double => Repr(key),
            _ => throw new JinjaException($"keys must be str, int, float, bool or None, not {Operators.TypeName(key)}"),
        };

        private void Block<T>(char open, char close, IReadOnlyList<T> items, int depth, Action<T> write)
        {
            target.Append(open);
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0) target.Append(comma);
                NewLine(depth + 1);
                write(items[i]);
            }
            if (items.Count > 0) NewLine(depth);
            target.Append(close);
        }

        private void NewLine(int depth)
        {
            if (indent is null) return;
            target.Append('\n');
            for (var i = 0; i < depth; i++) target.Append(indent);
        }

        private void Quote(string text)
        {
            target.Append('"');
            foreach (var character in text)
            {
                target.Append(character switch
                {
                    '"' => "\\\"",
                    '\\' => "\\\\",
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    '\b' => "\\b",
                    '\f' => "\\f",
                    _ when character < ' ' || isAscii && character > '~' => $"\\u{(int)character:x4}",
                    _ => character.ToString(),
                });
            }
            target.Append('"');
        }
    }
}
