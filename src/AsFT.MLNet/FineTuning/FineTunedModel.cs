using AsFT.Torch.Adapters;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;

namespace AsFT.MLNet.FineTuning;

/// <summary>A model in memory with its tokenizer, template and adapter; answers prompts. Safe to call from several threads, one at a time.</summary>
internal sealed class FineTunedModel(CausalLanguageModel model, LanguageTokenizer tokenizer, ChatTemplate template, LoraAdapter adapter) : IDisposable
{
    private readonly TextGenerator _generator = new(model, tokenizer);
    private readonly Lock _lock = new();
    private bool _isDisposed;

    public LoraAdapter Adapter => adapter;

    /// <summary>Tokens of a prompt at most. The answer keeps its room; of a model with fewer positions than new tokens, it gets half.</summary>
    public static int PromptLimit(int positions, int maxNewTokens) => maxNewTokens < positions ? positions - maxNewTokens : Math.Max(1, positions / 2);

    public string[] Answer(IReadOnlyList<ChatExample> prompts, GenerationOptions options, CancellationToken cancellationToken)
    {
        var limit = PromptLimit(model.Config.MaxPositions, options.MaxNewTokens);
        int[][] ids = [.. prompts.Select(prompt => template.TokenizePrompt(tokenizer, prompt, limit))];
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(AsftFineTuneTransformer));
            using var threads = ComputeThreads.For(model);
            return [.. _generator.Generate(ids, options, cancellationToken).Select(answer => answer.Text)];
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
            using var threads = ComputeThreads.For(model);
            return Evaluation.CrossEntropy(model, examples, batchSize, cancellationToken);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            adapter.Dispose();
            model.Dispose();
        }
    }
}
