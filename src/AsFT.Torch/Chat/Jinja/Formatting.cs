using System.Globalization;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>Python's <c>text % values</c>, and <c>strftime</c>.</summary>
internal static class Formatting
{
    /// <summary><c>%s</c>, <c>%r</c>, <c>%d</c>, <c>%i</c>, <c>%x</c>, <c>%f</c> and <c>%%</c>, with flags <c>-</c> and <c>0</c>, width and precision.</summary>
    public static SourcedText Percent(SourcedText format, object? values)
    {
        var parts = new List<SourcedText>();
        var arguments = values is Sequence { IsTuple: true } tuple ? tuple.Items : [values];
        var next = 0;
        var text = format.Value;
        for (var i = 0; i < text.Length;)
        {
            var percent = text.IndexOf('%', i);
            if (percent < 0) percent = text.Length;
            if (percent > i) parts.Add(format.Slice(i, percent - i));
            if (percent == text.Length) break;
            i = percent + 1;
            var (isLeft, isZero) = (false, false);
            for (; i < text.Length && text[i] is '-' or '0'; i++) (isLeft, isZero) = (isLeft || text[i] == '-', isZero || text[i] == '0');
            var width = Digits(text, ref i) ?? 0;
            int? precision = null;
            if (i < text.Length && text[i] == '.')
            {
                i++;
                precision = Digits(text, ref i) ?? 0;
            }
            if (i == text.Length) throw new JinjaException("incomplete format");
            var kind = text[i++];
            var value = kind == '%' ? new SourcedText("%") : Converted(kind, next < arguments.Count ? arguments[next++] : throw new JinjaException("not enough arguments for format string"), precision);
            JinjaLimits.RequireText(width);
            var missing = width - value.Count;
            if (missing <= 0) parts.Add(value);
            else if (isLeft) parts.AddRange([value, new SourcedText(new string(' ', missing))]);
            else if (isZero && kind is not ('s' or 'r') && value.Value.StartsWith('-')) parts.AddRange([new SourcedText("-" + new string('0', missing)), value.Slice(1..)]);
            else parts.AddRange([new SourcedText(new string(isZero && kind is not ('s' or 'r') ? '0' : ' ', missing)), value]);
        }
        if (next < arguments.Count && values is not Mapping) throw new JinjaException("not all arguments converted during string formatting");
        return SourcedText.Concat(parts);
    }

    /// <summary>A time as C's strftime writes it, in English.</summary>
    public static string Time(DateTime time, string format)
    {
        var target = new System.Text.StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                target.Append(format[i]);
                continue;
            }
            var isPlain = format[i + 1] == '-' && i + 2 < format.Length;
            var kind = format[isPlain ? i + 2 : i + 1];
            i += isPlain ? 2 : 1;
            string Padded(int value, int digits = 2) => value.ToString(isPlain ? "D1" : $"D{digits}", CultureInfo.InvariantCulture);
            target.Append(kind switch
            {
                'd' => Padded(time.Day),
                'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
                'm' => Padded(time.Month),
                'Y' => time.Year.ToString("D4", CultureInfo.InvariantCulture),
                'y' => Padded(time.Year % 100),
                'B' => time.ToString("MMMM", CultureInfo.InvariantCulture),
                'b' or 'h' => time.ToString("MMM", CultureInfo.InvariantCulture),
                'A' => time.ToString("dddd", CultureInfo.InvariantCulture),
                'a' => time.ToString("ddd", CultureInfo.InvariantCulture),
                'H' => Padded(time.Hour),
                'I' => Padded((time.Hour + 11) % 12 + 1),
                'M' => Padded(time.Minute),
                'S' => Padded(time.Second),
                'p' => time.Hour < 12 ? "AM" : "PM",
                'j' => Padded(time.DayOfYear, 3),
                'F' => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                'T' => time.ToString("HH:mm:ss", CultureInfo.InvariantCulture),
                'Z' or 'z' => "",
                '%' => "%",
                _ => throw new JinjaException($"strftime_now: '%{kind}' is not known"),
            });
        }
        return target.ToString();
    }

    private static SourcedText Converted(char kind, object? value, int? precision) => kind switch
    {
        's' => Printing.Str(value) is var text && precision is { } most && text.Count > most ? SourcedText.Concat(text.Characters()[..most]) : Printing.Str(value),
        'r' => new SourcedText(Printing.Repr(value)),
        'd' or 'i' => new SourcedText((value is double number ? checked((long)Math.Truncate(number)) : Operators.Integer(value)).ToString(CultureInfo.InvariantCulture)),
        'x' => new SourcedText(Operators.Integer(value).ToString("x", CultureInfo.InvariantCulture)),
        'f' => new SourcedText((Operators.Number(value) ?? throw new JinjaException($"must be real number, not {Operators.TypeName(value)}")).ToString($"F{Math.Min(precision ?? 6, 40)}", CultureInfo.InvariantCulture)),
        _ => throw new JinjaException($"unsupported format character '{kind}'"),
    };

    private static int? Digits(string text, ref int i)
    {
        var start = i;
        while (i < text.Length && char.IsAsciiDigit(text[i])) i++;
        return i == start ? null : int.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw new JinjaException("a width in a format is too large");
    }
}
