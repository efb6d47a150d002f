using System.Globalization;
using System.Text.RegularExpressions;
using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>Splits text into the words within which byte-pair encoding merges, by one regular expression after the other.</summary>
/// <remarks>
/// .NET's expressions see UTF-16 units: half of U+1D400 (a letter) is no letter to them. The text is therefore matched in a shadow where every
/// surrogate pair is one character of the same general category.
/// </remarks>
/// <param name="expressions">What is applied in turn.</param>
/// <param name="path">The file they come from, for errors.</param>
internal sealed class WordSplitter(IReadOnlyList<Regex> expressions, string path)
{
    /// <summary>GPT-2's expression, which a ByteLevel pre-tokenizer uses of itself.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>Starts and lengths of the words, in order; together they cover the text.</summary>
    /// <exception cref="InvalidDataException">An expression takes too long; names it and its file.</exception>
    public List<(int Start, int Length)> Split(string text)
    {
        try
        {
            return SplitAll(text);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw FileExpression.TooSlow(path, e, text.Length);
        }
    }

    private List<(int Start, int Length)> SplitAll(string text)
    {
        string shadow = Shadow(text, out int[]? positions);
        List<(int Start, int Length)> words = [(0, shadow.Length)];
        foreach (Regex expression in expressions)
        {
            var finer = new List<(int Start, int Length)>(words.Count * 2);
            foreach ((int start, int length) in words)
            {
                int done = 0;
                string word = length == shadow.Length ? shadow : shadow.Substring(start, length); // look-around ends at the word
                foreach (ValueMatch match in expression.EnumerateMatches(word))
                {
                    if (match.Length == 0) continue;
                    if (match.Index > done) finer.Add((start + done, match.Index - done));
                    finer.Add((start + match.Index, match.Length));
                    done = match.Index + match.Length;
                }
                if (done < length) finer.Add((start + done, length - done));
            }
            words = finer;
        }
        if (positions is null) return words;
        return words.ConvertAll(w => (positions[w.Start], positions[w.Start + w.Length] - positions[w.Start]));
    }

    private static string Shadow(string text, out int[]? positions)
    {
        positions = null;
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')) return text;
        var shadow = new char[text.Length];
        var starts = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length;)
        {
            bool pair = char.IsSurrogatePair(text, i);
            shadow[starts.Count] = pair ? Representative(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text, i))) : text[i];
            starts.Add(i);
            i += pair ? 2 : 1;
        }
        starts.Add(text.Length);
        positions = [.. starts];
        return new string(shadow, 0, starts.Count - 1);
    }

    private static char Representative(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u0100',
        UnicodeCategory.LowercaseLetter => '\u0101',
        UnicodeCategory.TitlecaseLetter => '\u01C5',
        UnicodeCategory.ModifierLetter => '\u02B0',
        UnicodeCategory.OtherLetter => '\u01BB',
        UnicodeCategory.NonSpacingMark => '\u0300',
        UnicodeCategory.SpacingCombiningMark => '\u0903',
        UnicodeCategory.EnclosingMark => '\u0488',
        UnicodeCategory.DecimalDigitNumber => '\u0660',
        UnicodeCategory.LetterNumber => '\u2160',
        UnicodeCategory.OtherNumber => '\u00B2',
        UnicodeCategory.ConnectorPunctuation => '\u203F',
        UnicodeCategory.DashPunctuation => '\u2010',
        UnicodeCategory.OpenPunctuation => '\u0F3A',
        UnicodeCategory.ClosePunctuation => '\u0F3B',
        UnicodeCategory.InitialQuotePunctuation => '\u00AB',
        UnicodeCategory.FinalQuotePunctuation => '\u00BB',
        UnicodeCategory.OtherPunctuation => '\u00A1',
        UnicodeCategory.MathSymbol => '\u00AC',
        UnicodeCategory.CurrencySymbol => '\u00A2',
        UnicodeCategory.ModifierSymbol => '\u00A8',
        UnicodeCategory.OtherSymbol => '\u00A9',
        UnicodeCategory.Format => '\u00AD',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFF', // unassigned
    };
}
