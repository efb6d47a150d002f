using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;

namespace AsFT.MLNet.FineTuning;

/// <summary>A model in memory with its tokenizer, template and, where it has one, adapter; answers prompts. Safe to call from several threads, one at a time.</summary>
internal sealed class FineTunedModel(CausalLanguageModel model, LanguageTokenizer tokenizer, ChatTemplate template, LoraAdapter? adapter) : IDisposable
{
    private readonly TextGenerator _generator = new(model, tokenizer);
    private readonly Lock _lock = new();
    private bool _isDisposed;

    public LoraAdapter? Adapter => adapter;

    /// <summary>Tokens of a prompt at most. The answer keeps its room; of a model with fewer positions than new tokens, it gets half.</summary>
    public static int PromptLimit(int positions, int maxNewTokens) => maxNewTokens < positions ? positions - maxNewTokens : Math.Max(1, positions / 2);

    /// <summary>Tokens of prompts, cut from the left where they are too long.</summary>
    /// <param name="template">The model's template.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="systemPlace">Where system messages come from, for errors; null: not told.</param>
    /// <param name="limit">Tokens of a prompt at most.</param>
    /// <param name="refuses">Whether a prompt that is too long is an error.</param>
    /// <param name="say">Told in one sentence what was cut.</param>
    /// <exception cref="InvalidDataException">A prompt is too long, and that is refused; or the template does not take it. Names it.</exception>
    public static int[][] Encode(ChatTemplate template, LanguageTokenizer tokenizer, IReadOnlyList<ChatExample> prompts, string? systemPlace, int limit, bool refuses, Action<string> say)
    {
        var ids = new int[prompts.Count][];
        var (cut, first) = (0, "");
        for (var i = 0; i < ids.Length; i++)
        {
            bool isCut;
            try
            {
                ids[i] = template.TokenizePrompt(tokenizer, prompts[i], limit, out isCut);
            }
            catch (RefusedConversationException e)
            {
                throw e.At($"The prompt '{Shown(prompts[i].UserText)}'", systemPlace);
            }
            if (!isCut) continue;
            if (cut++ == 0) first = Shown(prompts[i].UserText);
            if (refuses) throw new InvalidDataException($"The prompt '{first}' has more than {limit} tokens, the most that leave room for the answer. Shorten it, ask for fewer new tokens, or let overlong prompts be cut.");
        }
        if (cut > 0)
            say($"{cut} of {ids.Length} prompts {(cut == 1 ? "has" : "have")} more than {limit} tokens, the most that leave room for the answer; {(cut == 1 ? "its" : "their")} beginning was cut off. {(cut == 1 ? "It" : "The first")} is '{first}'.");
        return ids;

        static string Shown(string text) => text.Length <= 60 ? text : text[..60].TrimEnd() + "…";
    }

    /// <summary>Answers prompts.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="systemPlace">Where system messages come from, for errors; null: not told.</param>
    /// <param name="options">How to decode.</param>
    /// <param name="refusesOverlong">Whether a prompt that is too long is an error instead of being cut.</param>
    /// <param name="say">Told in one sentence what was cut.</param>
    /// <param name="cancellationToken">Stops between tokens.</param>
    public IReadOnlyList<Generation> Answer(IReadOnlyList<ChatExample> prompts, string? systemPlace, GenerationOptions options, bool refusesOverlong, Action<string> say, CancellationToken cancellationToken)
    {
        var ids = Encode(template, tokenizer, prompts, systemPlace, PromptLimit(model.Config.MaxPositions, options.MaxNewTokens), refusesOverlong, say);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(AsftFineTuneTransformer));
            using var threads = model.UseThreads();
            return _generator.Generate(ids, options, cancellationToken);
        }
    }

    /// <summary>Mean cross-entropy of the right answers, in nats per supervised token.</summary>
    /// <param name="read">Reads the examples; it is given the tokens of one.</param>
    /// <param name="maxLength">Tokens per example at most; null: the model's positions.</param>
    /// <param name="batchSize">Examples per forward pass.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    public double CrossEntropy(Func<Func<ChatExample, TokenizedExample>, List<TokenizedExample>> read, int? maxLength, int batchSize, CancellationToken cancellationToken)
    {
        var examples = read(example => template.Tokenize(tokenizer, example, maxLength ?? model.Config.MaxPositions));
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(AsftFineTuneTransformer));
            using var threads = model.UseThreads();
            return Evaluation.CrossEntropy(model, examples, batchSize, cancellationToken);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            adapter?.Dispose();
            model.Dispose();
        }
    }
}
