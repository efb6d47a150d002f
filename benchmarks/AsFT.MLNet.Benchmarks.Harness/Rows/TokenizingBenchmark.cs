using AsFT.Lab.World;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Chat;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>What a background thread does for a step while the device works on the one before.</summary>
internal sealed class TokenizingBenchmark : Benchmark
{
    private const int BatchSize = 8;

    public override string Name => "tokenizing";

    public override string Description => "tokenising and batching eight examples against the step they feed";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var settings = context.Settings;
        using var folder = new ScratchFolder(settings);
        var chats = Chats(AlpacaLikeLengths.Take(BatchSize));
        // A byte-level BPE that has every word of these texts, template included, as one token.
        var (tokens, merges) = WorldTokenizer.Learn([ChatText(chats), "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n\n### Response:"]);
        WorldTokenizer.Save(folder.Path, tokens, merges);
        var tokenizer = LanguageTokenizer.Load(folder.Path);
        var lengths = chats.Select(chat => ChatTemplate.Alpaca.Tokenize(tokenizer, chat).Ids.Length).ToArray();

        var shape = TrainingShape.Step(settings) with { Batch = BatchSize, Sequence = lengths.Max() };
        if (!settings.IsLong && settings.Width is null) shape = shape with { Config = LlamaShapes.OfWidth(256, 4, 8192) };
        using var work = new TrainingWorkload(shape, settings.Placement);
        int[] rows = [.. Enumerable.Range(0, BatchSize)];
        var timed = context.Compare(0.5, () =>
        {
            TokenizedExample[] examples = [.. chats.Select(chat => ChatTemplate.Alpaca.Tokenize(tokenizer, chat))];
            TrainingBatch.Create(examples, rows);
        }, work.AsftStep);
        yield return new BenchRow($"tokenising and batching {BatchSize} × {lengths.Max()} tokens against the step ({shape.Config.LayerCount} layers, d = {shape.Config.HiddenSize})",
            1e3 * timed.Seconds(0), 1e3 * timed.Seconds(1), timed.Ratio(0, 1), "< 2 % of step time", timed.Ratio(0, 1) < 0.02, null, "ms")
        {
            Spread = timed.Spread(0, 1),
            Note = $"{lengths.Sum() / timed.Seconds(0) / 1e6:0.00} million tokens/s on one thread; an example is tokenised once a run, a batch is made on a background thread during the step before",
        };
    }

    private static ChatExample[] Chats(IEnumerable<(int Prompt, int Answer)> lengths)
    {
        var random = new Random(5);
        // Words of like length as English ones; a real set of instructions has some ten thousand different ones.
        var words = Enumerable.Range(0, 200).Select(_ => string.Concat(Enumerable.Range(0, random.Next(2, 8)).Select(_ => (char)('a' + random.Next(26))))).ToArray();
        string Text(int count) => string.Join(' ', Enumerable.Range(0, Math.Max(1, count)).Select(_ => words[random.Next(words.Length)]));
        // The template itself takes some 38 tokens of a prompt.
        return [.. lengths.Select(length => new ChatExample(Text(length.Prompt - 38), Text(length.Answer)))];
    }

    private static string ChatText(ChatExample[] chats) => string.Join('\n', chats.Select(chat => $"{chat.Prompt} {chat.Response}"));
}
