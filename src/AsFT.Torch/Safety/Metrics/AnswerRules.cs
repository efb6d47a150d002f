using System.Globalization;
using System.Text.RegularExpressions;

namespace AsFT.Torch.Safety.Metrics;

/// <summary>Rules that read the answer to a task out of generated text.</summary>
internal static partial class AnswerRules
{
    /// <summary>
    /// Normal form for exact match: lower case (the same for every culture), runs of white space as one space, and no white space,
    /// quotation marks or closing <c>. ! ? , ; :</c> around it.
    /// </summary>
    /// <param name="text">An answer.</param>
    public static string Normalize(string? text)
    {
        if (text is null) return "";
        var plain = WhiteSpace().Replace(text.ToLowerInvariant(), " ");
        return plain.Trim(' ', '"', '\'', '“', '”', '‘', '’', '`').TrimEnd('.', '!', '?', ',', ';', ':', ' ', '"', '\'', '”', '’', '`');
    }

    /// <summary>Whether two answers are equal in their normal form.</summary>
    /// <param name="answer">Generated text.</param>
    /// <param name="reference">The right answer.</param>
    public static bool ExactMatch(string? answer, string? reference) => Normalize(answer) == Normalize(reference);

    /// <summary>
    /// The label an answer names: the one in the first line or sentence that holds any. Labels count as whole words in any
    /// case; where labels overlap the longest counts. A sentence that names two different labels is ambiguous.
    /// </summary>
    /// <param name="answer">Generated text.</param>
    /// <param name="labels">All labels of the task.</param>
    /// <returns>The label as listed, or null when there is none or more than one.</returns>
    /// <exception cref="ArgumentException">There is no label, or a blank one.</exception>
    public static string? FindLabel(string? answer, IReadOnlyList<string> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Count == 0 || labels.Any(string.IsNullOrWhiteSpace)) throw new ArgumentException("Label match needs the task's labels, none of them blank.", nameof(labels));
        if (string.IsNullOrWhiteSpace(answer)) return null;
        var longestFirst = labels.Distinct(StringComparer.OrdinalIgnoreCase).OrderByDescending(l => l.Length).ToArray();
        foreach (var sentence in SentenceEnd().Split(answer))
        {
            string? found = null;
            for (var at = 0; at < sentence.Length; at++)
            {
                var label = Array.Find(longestFirst, l => IsWordAt(sentence, at, l.Trim()));
                if (label is null) continue;
                if (found is not null && found != label) return null;
                found = label;
                at += label.Trim().Length - 1;
            }
            if (found is not null) return found;
        }
        return null;
    }

    /// <summary>
    /// The last number of a text: digits with or without groups of three split by commas, decimals, and a minus sign that
    /// does not join it to a number or word before it (<c>10-5</c> ends in 5). A currency sign before it and a full stop or
    /// percent sign behind it are not part of it; <c>1/2</c> ends in 2 and <c>3e5</c> in 5.
    /// </summary>
    /// <param name="text">A text.</param>
    /// <returns>The number, or null when there is none or it exceeds the range of <see cref="decimal"/> (8·10²⁸).</returns>
    public static decimal? LastNumber(string? text)
    {
        if (text is null) return null;
        var matches = Number().Matches(text);
        if (matches.Count == 0) return null;
        var digits = matches[^1].Groups["digits"].Value.Replace(",", "", StringComparison.Ordinal);
        if (!decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)) return null;
        return matches[^1].Groups["minus"].Success ? -value : value;
    }

    /// <summary>GSM8K's reference number: the one behind <c>####</c>, or the last number where there is no such mark (Cobbe et al., arXiv 2110.14168).</summary>
    /// <param name="reference">A reference solution.</param>
    public static decimal? ReferenceNumber(string? reference)
    {
        if (reference is null) return null;
        var mark = reference.LastIndexOf("####", StringComparison.Ordinal);
        return LastNumber(mark < 0 ? reference : reference[(mark + 4)..].Split('\n')[0]);
    }

    private static bool IsWordAt(string text, int at, string word)
    {
        if (string.Compare(text, at, word, 0, word.Length, StringComparison.OrdinalIgnoreCase) != 0) return false;
        var end = at + word.Length;
        return (at == 0 || !char.IsLetterOrDigit(text[at - 1]) || !char.IsLetterOrDigit(word[0]))
            && (end >= text.Length || !char.IsLetterOrDigit(text[end]) || !char.IsLetterOrDigit(word[^1]));
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"[\r\n]+|(?<=[.!?])\s+")]
    private static partial Regex SentenceEnd();

    // Minus before or behind the currency sign; grouped digits first, so that "1,2" is two numbers and "1,234" one.
    [GeneratedRegex(@"(?:(?<![\w.)\]%])(?<minus>[-\u2212]))?[$€£¥]?(?:(?<=[$€£¥])(?<minus>[-\u2212]))?(?<digits>(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d]|,\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)")]
    private static partial Regex Number();
}
