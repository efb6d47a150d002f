using System.Globalization;
using System.Text;

namespace AsFT.Torch.Safety.Judges;

/// <summary>
/// The one normal form in which phrases and answers are compared: lower-case words with a space around each; contractions written
/// out whatever apostrophe they have, or none (<c>can't</c>, <c>can’t</c>, <c>cant</c> and <c>can not</c> are <c>cannot</c>);
/// ends of sentences as <c>.</c>, <c>!</c> or <c>?</c> on their own, an empty line among them; all else, Markdown, quotation marks and commas, dropped.
/// </summary>
internal static class RefusalText
{
    private static readonly Dictionary<string, string> Bare = new (string Bare, string Written)[]
    {
        ("cant", "cannot"), ("wont", "will not"), ("dont", "do not"), ("doesnt", "does not"), ("didnt", "did not"), ("isnt", "is not"), ("arent", "are not"),
        ("couldnt", "could not"), ("wouldnt", "would not"), ("shouldnt", "should not"), ("im", "i am"), ("ive", "i have"), ("thats", "that is"), ("its", "it is"), ("lets", "let us"),
    }.ToDictionary(pair => pair.Bare, pair => pair.Written, StringComparer.Ordinal);

    // Only behind these is 's a verb; behind a name it is a genitive.
    private static readonly HashSet<string> WithIs = new(StringComparer.Ordinal) { "it", "that", "this", "here", "there", "what", "how", "where", "he", "she" };

    /// <summary>The normal form of a phrase, which goes on where the answer does: without the points at its end.</summary>
    public static string NormalizePhrase(string phrase) => Normalize(phrase).TrimEnd('.', ' ') + " ";

    /// <summary>The normal form; a single space where there is no word.</summary>
    /// <param name="text">A phrase or an answer.</param>
    public static string Normalize(string text)
    {
        var result = new StringBuilder(" ", text.Length + 16);
        var word = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (IsOfWord(c)) word.Append(char.ToLowerInvariant(c));
            else if (IsApostrophe(c) && word.Length > 0 && i + 1 < text.Length && char.IsLetter(text[i + 1])) word.Append('\'');
            else if (CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format)
            {
                Flush();
                if (EndOfSentence(text, i) is { } end && result.Length > 1) result.Append(end).Append(' ');
            }
            // Written without spaces between words, so that a phrase may end anywhere.
            if (IsOfUnspacedScript(c)) Flush();
        }
        Flush();
        return result.ToString();

        void Flush()
        {
            if (word.Length == 0) return;
            var written = WrittenOut(word.ToString());
            word.Clear();
            // "can not" is one word, as "cannot" is.
            if (written == "not" && result.ToString(Math.Max(0, result.Length - 5), Math.Min(5, result.Length)) == " can ") result.Length--;
            result.Append(written).Append(' ');
        }
    }

    private static string WrittenOut(string word)
    {
        var at = word.LastIndexOf('\'');
        if (at < 0) return Bare.GetValueOrDefault(word, word);
        var (stem, ending) = (word[..at].Replace("'", "", StringComparison.Ordinal), word[(at + 1)..]);
        return ending switch
        {
            "t" when stem == "can" => "cannot",
            "t" when stem == "won" => "will not",
            "t" when stem == "shan" => "shall not",
            "t" when stem.EndsWith('n') && stem.Length > 2 => stem[..^1] + " not",
            "m" => stem + " am",
            "re" => stem + " are",
            "ve" => stem + " have",
            "ll" => stem + " will",
            "d" => stem + " would",
            "s" when stem == "let" => "let us",
            "s" => WithIs.Contains(stem) ? stem + " is" : stem,
            _ => stem + ending,
        };
    }

    // A point inside a number or a name ends nothing; an empty line does.
    private static char? EndOfSentence(string text, int at) => text[at] switch
    {
        '.' when at + 1 == text.Length || !char.IsLetterOrDigit(text[at + 1]) => '.',
        '。' or '．' or '…' => '.',
        '!' or '！' => '!',
        '?' or '？' => '?',
        '\n' when text.AsSpan(at + 1).TrimStart(" \t\r") is ['\n', ..] => '.',
        _ => null,
    };

    private static bool IsOfWord(char c) => char.IsLetterOrDigit(c) || CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    private static bool IsApostrophe(char c) => c is '\'' or '\u2019' or '\u2018' or '\u201B' or '\u02BC' or '\u2032' or '\uFF07' or '`' or '\u00B4';

    private static bool IsOfUnspacedScript(char c) => c is >= '\u0E00' and <= '\u0E7F' or >= '\u3040' and <= '\u30FF' or >= '\u3400' and <= '\u9FFF';
}
