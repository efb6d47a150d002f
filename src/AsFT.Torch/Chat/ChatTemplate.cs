using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Chat;

/// <summary>How a conversation becomes one text, and which part of it is supervised.</summary>
/// <remarks>
/// The text between two special tokens is tokenised once, as a whole, so that the boundary between prompt and answer cannot shift tokens.
/// A token is supervised if the last character it covers belongs to the answer: a token that takes the space before the answer along is
/// supervised, one that ends in the prompt is not. A context follows the prompt after an empty line in every template; Alpaca's puts its heading between. The end-of-sequence token is supervised, BOS is not.
/// Special tokens are placed by id; text of the user that spells one (<c>&lt;/s&gt;</c>) becomes ordinary tokens.
/// </remarks>
public abstract class ChatTemplate
{
    private static readonly ChatTemplate[] Known = [new Llama2Template(), new Llama3Template("llama3", hasBegin: true), new AlpacaTemplate(), new PlainTemplate("plain", ChatExample.ContextSeparator)];

    // What these were when version 0.1 saved models with them: they go on as they were trained.
    private static readonly ChatTemplate[] First = [new PlainTemplate("plain-0.1", "\n"), new Llama3Template("llama3-0.1", hasBegin: false)];

    /// <summary>Llama-2 chat: <c>[INST] &lt;&lt;SYS&gt;&gt;…&lt;&lt;/SYS&gt;&gt; prompt [/INST] answer</c>.</summary>
    public static ChatTemplate Llama2 => Known[0];

    /// <summary>Llama-3 chat: headers between <c>&lt;|start_header_id|&gt;</c> and <c>&lt;|end_header_id|&gt;</c>, turns ended by <c>&lt;|eot_id|&gt;</c>; needs a tokenizer that has them.</summary>
    public static ChatTemplate Llama3 => Known[1];

    /// <summary>Stanford Alpaca: <c>### Instruction:</c>, <c>### Input:</c> if there is a context, <c>### Response:</c>.</summary>
    public static ChatTemplate Alpaca => Known[2];

    /// <summary>Prompt (and, after an empty line, context), one space, answer.</summary>
    public static ChatTemplate Plain => Known[3];

    /// <summary>Names that <see cref="FromName"/> knows.</summary>
    public static IReadOnlyList<string> Names => [.. Known.Select(t => t.Name)];

    /// <summary>A template by name: <c>llama2</c>, <c>llama3</c>, <c>alpaca</c>, <c>plain</c>.</summary>
    /// <param name="name">Name; case does not matter.</param>
    /// <exception cref="ArgumentException">No template has this name.</exception>
    public static ChatTemplate FromName(string name) => Find(name)
        ?? throw new ArgumentException($"Template is '{name}'; there is no such chat template; known are {string.Join(", ", Names)}.", nameof(name));

    internal static ChatTemplate? Find(string name) => Known.Concat(First).FirstOrDefault(t => string.Equals(t.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Name by which <see cref="FromName"/> finds this template again.</summary>
    public abstract string Name { get; }

    /// <summary>Tokens of prompt and answer: BOS first if the tokenizer asks for it, then the whole text, EOS last.</summary>
    /// <param name="tokenizer">Tokenizer of the model.</param>
    /// <param name="example">Turn with a response.</param>
    /// <param name="maxLength">Greatest number of tokens; the rest is cut off at the right, EOS first. <see cref="TokenizedExample.SupervisedCount"/> is 0 if the prompt alone is that long.</param>
    /// <exception cref="ArgumentException">The example has no response.</exception>
    /// <exception cref="InvalidOperationException">The template does not take the conversation, or the tokenizer lacks a special token of the template, or EOS.</exception>
    public virtual TokenizedExample Tokenize(LanguageTokenizer tokenizer, ChatExample example, int maxLength = int.MaxValue)
    {
        Check(tokenizer, example, maxLength);
        if (example.Response is null) throw new ArgumentException("A training example needs a response.", nameof(example));
        TokenizedParts tokens = TokenizedParts.Of(tokenizer, Name, [.. Layout(tokenizer, example)], WritesBos);
        int count = Math.Min(tokens.Ids.Count, maxLength);
        return new TokenizedExample([.. tokens.Ids.Take(count)], [.. tokens.Kinds.Take(count).Select(k => k is PartKind.Response or PartKind.End)])
        {
            Truncated = count < tokens.Ids.Count,
        };
    }

    /// <summary>Tokens of a prompt that the model is to answer: what <see cref="Tokenize"/> has before the answer, without a space at its end.</summary>
    /// <param name="tokenizer">Tokenizer of the model.</param>
    /// <param name="prompt">Turn; its response is ignored.</param>
    /// <param name="maxLength">Greatest number of tokens; the user's text (prompt, then context) is cut from the left until it fits, so that the template survives.</param>
    /// <exception cref="ArgumentException">The template alone, without any text of the user, is longer than <paramref name="maxLength"/>.</exception>
    /// <exception cref="InvalidOperationException">The template does not take the conversation, or the tokenizer lacks a special token of the template.</exception>
    public int[] TokenizePrompt(LanguageTokenizer tokenizer, ChatExample prompt, int maxLength = int.MaxValue) => TokenizePrompt(tokenizer, prompt, maxLength, out _);

    /// <summary>Tokens of a prompt that the model is to answer, as <see cref="TokenizePrompt(LanguageTokenizer, ChatExample, int)"/> gives them, and whether text was lost.</summary>
    /// <param name="tokenizer">Tokenizer of the model.</param>
    /// <param name="prompt">Turn; its response is ignored.</param>
    /// <param name="maxLength">Greatest number of tokens.</param>
    /// <param name="isCut">Whether text of the user was cut off to fit.</param>
    /// <exception cref="ArgumentException">The template alone, without any text of the user, is longer than <paramref name="maxLength"/>.</exception>
    /// <exception cref="InvalidOperationException">The template does not take the conversation, or the tokenizer lacks a special token of the template.</exception>
    public virtual int[] TokenizePrompt(LanguageTokenizer tokenizer, ChatExample prompt, int maxLength, out bool isCut)
    {
        Check(tokenizer, prompt, maxLength);
        TemplatePart[] parts = [.. Layout(tokenizer, prompt with { Response = null })];
        isCut = false;
        while (true)
        {
            TokenizedParts tokens = TokenizedParts.Of(tokenizer, Name, parts, WritesBos);
            int excess = tokens.Ids.Count - maxLength;
            if (excess <= 0) return [.. tokens.Ids];
            isCut = true;
            int user = Array.FindIndex(parts, p => p.Kind == PartKind.User && p.Text.Length > 0);
            if (user < 0)
            {
                throw new ArgumentException(
                    $"The {Name} template needs {tokens.Ids.Count} tokens without any text of the user; the limit is {maxLength}.", nameof(maxLength));
            }
            parts[user] = parts[user] with { Text = CutLeft(parts[user].Text, tokens.CharactersOf(user, excess)) };
        }
    }

    /// <summary>The parts of a conversation, up to where the answer begins if it has no response. An empty text yields a part as well.</summary>
    private protected abstract IEnumerable<TemplatePart> Layout(LanguageTokenizer tokenizer, ChatExample example);

    /// <summary>Whether the template itself writes the token that begins a text, where there is to be one.</summary>
    private protected virtual bool WritesBos => false;

    /// <summary>Whether turns before the last question can be told.</summary>
    private protected virtual bool TakesTurns => false;

    /// <summary>What the user says: the prompt and, where there is one, the context behind a separator.</summary>
    private protected static IEnumerable<TemplatePart> User(string prompt, string? context, string separator = ChatExample.ContextSeparator)
    {
        yield return new(PartKind.User, prompt);
        if (string.IsNullOrWhiteSpace(context)) yield break;
        yield return new(PartKind.Frame, separator);
        yield return new(PartKind.User, context);
    }

    private void Check(LanguageTokenizer tokenizer, ChatExample example, int maxLength)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(example);
        ArgumentNullException.ThrowIfNull(example.Prompt);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        if (example.HasMoreTurns && !TakesTurns)
            throw new RefusedConversationException($"The {Name} template takes one question and its answer; the conversation has {example.Earlier.Count + example.Later.Count} more turns. Take the model's own template, or another that takes them.", isOfSystem: false);
    }

    private static string CutLeft(string text, int characters)
    {
        int at = Math.Clamp(characters, 1, text.Length);
        if (at < text.Length && char.IsSurrogatePair(text, at - 1)) at++;
        return text[at..];
    }
}
