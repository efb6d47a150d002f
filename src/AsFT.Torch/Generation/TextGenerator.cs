using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation;

/// <summary>Batched decoding with a key-value cache. Holds no state between calls, and may be called from several threads.</summary>
public sealed class TextGenerator
{
    private readonly CausalLanguageModel _model;
    private readonly LanguageTokenizer _tokenizer;
    private readonly HashSet<int> _endTokens;

    /// <summary>Makes a generator; model and tokenizer stay the caller's.</summary>
    /// <param name="model">The model, with adapters attached where they shall take part.</param>
    /// <param name="tokenizer">Its tokenizer. Answers end at its EOS tokens and at those of the model's configuration.</param>
    public TextGenerator(CausalLanguageModel model, LanguageTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        _model = model;
        _tokenizer = tokenizer;
        StepsPerRead = model.Placement.Device.type == TorchSharp.DeviceType.CPU ? 1 : 8;
        _endTokens = [.. tokenizer.EosIds, .. model.Config.EosTokenIds];
    }

    /// <summary>The model.</summary>
    public CausalLanguageModel Model => _model;

    /// <summary>Its tokenizer.</summary>
    public LanguageTokenizer Tokenizer => _tokenizer;

    // A device works on while the host prepares more, until the host looks at the tokens; so that is done seldom there, at
    // the price of steps that an answer which has ended is taken along for nothing.
    internal int StepsPerRead { get; init; }

    /// <summary>
    /// Answers each prompt. Prompts of different length in one batch give the same greedy text as one by one, and the
    /// same draws when sampling: logits of different batches differ in their last bits only.
    /// </summary>
    /// <param name="prompts">Token ids of each prompt, BOS included where the model wants it.</param>
    /// <param name="options">How to decode.</param>
    /// <param name="cancellationToken">Looked at before every token.</param>
    /// <returns>One answer a prompt, in the prompts' order.</returns>
    /// <exception cref="ArgumentException">A prompt is empty, too long for the model, or holds an id outside its vocabulary; or an option is out of range.</exception>
    /// <exception cref="NonFiniteScoresException">The model's scores are infinite or not numbers; names the layer in which they begin.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IReadOnlyList<Generation> Generate(IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellationToken = default) =>
        Generate(prompts, options, null, cancellationToken);

    /// <summary>Answers each prompt, and tells of each answer as it ends.</summary>
    /// <param name="prompts">Token ids of each prompt.</param>
    /// <param name="options">How to decode.</param>
    /// <param name="finished">
    /// Gets each answer as it ends, with its prompt's place, on the calling thread. Batches then hold prompts in the order
    /// given instead of those of like length, so that the first answers come first.
    /// </param>
    /// <param name="cancellationToken">Looked at before every token.</param>
    /// <inheritdoc cref="Generate(IReadOnlyList{int[]}, GenerationOptions, CancellationToken)"/>
    public IReadOnlyList<Generation> Generate(IReadOnlyList<int[]> prompts, GenerationOptions options, Action<int, Generation>? finished, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var answers = Prepare(prompts, options);
        Action<PendingAnswer>? tell = finished is null ? null : answer => finished(answer.Index, answer.ToGeneration(_tokenizer));
        for (var open = answers; open.Length > 0; open = [.. open.Where(answer => !answer.IsFinished)])
        {
            // Rows of like length share a batch; the longest come first, so that memory, if short, is short at once. Where a sequence's length
            // decides on its rotary positions, only rows that have the same share one, and go on in another when they outgrow them.
            var ordered = finished is null ? open.OrderByDescending(answer => answer.Prompt.Length) : open.AsEnumerable();
            foreach (var alike in ordered.GroupBy(answer => _model.Decoder.Kinds.SameUpTo(answer.Prompt.Length)))
                foreach (var batch in alike.Chunk(options.BatchSize))
                    Decode(batch, options, tell, cancellationToken);
            foreach (var answer in open) answer.ReadAgain();
        }
        return [.. answers.Select(answer => answer.ToGeneration(_tokenizer))];
    }

    private void Decode(PendingAnswer[] answers, GenerationOptions options, Action<PendingAnswer>? finished, CancellationToken cancellationToken)
    {
        using var noGradients = no_grad();
        using var batch = new DecodingBatch(_model, answers, options, StepsPerRead);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var step = NewDisposeScope();
            batch.Step();
            if (!batch.IsReadDue) continue;
            foreach (var next in batch.Read())
                for (var row = 0; row < next.Length; row++)
                {
                    var answer = batch.Answers[row];
                    if (answer.IsFinished) continue;
                    if (next[row] == TokenChooser.NoToken) throw NonFiniteScores.Explain(_model, answer.Sequence, $"token {answer.Count + 1} of an answer");
                    answer.Add((int)next[row], _endTokens, options.StopStrings, _tokenizer);
                    if (answer.IsFinished) finished?.Invoke(answer);
                }

            var open = batch.Answers.Count(answer => !answer.IsFinished);
            if (open == 0 || batch.IsOver) return;
            if (2 * open <= batch.Answers.Length) batch.DropFinished();
        }
    }

    private PendingAnswer[] Prepare(IReadOnlyList<int[]> prompts, GenerationOptions options)
    {
        var (positions, vocabulary) = (_model.Config.MaxPositions, _model.Config.VocabularySize);
        var answers = new PendingAnswer[prompts.Count];
        var copies = new Dictionary<ulong, int>();
        for (var i = 0; i < answers.Length; i++)
        {
            var prompt = prompts[i];
            if (prompt is null || prompt.Length == 0)
                throw new ArgumentException($"Prompt {i} has no tokens; give it at least one, BOS for instance.", nameof(prompts));
            if (prompt.Length > positions)
                throw new ArgumentException($"Prompt {i} has {prompt.Length} tokens; the model has {positions} positions (max_position_embeddings).", nameof(prompts));
            if (prompt.AsSpan().IndexOfAnyExceptInRange(0, vocabulary - 1) is >= 0 and var at)
                throw new ArgumentException($"Prompt {i} holds token id {prompt[at]} at place {at}; the model's vocabulary has {vocabulary} tokens.", nameof(prompts));

            var first = UniformDraws.Stream(options.Seed, prompt, 0);
            var copy = copies[first] = copies.TryGetValue(first, out var last) ? last + 1 : 0;
            answers[i] = new PendingAnswer(
                i,
                prompt,
                Math.Min(options.MaxNewTokens, positions - prompt.Length + 1),
                copy == 0 ? first : UniformDraws.Stream(options.Seed, prompt, copy));
        }
        return answers;
    }
}
