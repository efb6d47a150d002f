using System.Diagnostics;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;

namespace AsFT.Torch.Safety.Judges;

/// <summary>
/// Trains a moderation model: a fresh classification head on a pretrained decoder, with LoRA below it, on judged answers, by
/// binary cross-entropy per category. What comes out is a checkpoint that <see cref="ModerationModelJudge.Load"/> and
/// Hugging Face's LlamaForSequenceClassification read.
/// </summary>
internal static class JudgeTrainer
{
    private static readonly string[] TokenizerFiles = [.. ModelFiles.BesideWeights.Except(ModelFiles.Templates).Where(name => name != "config.json")];

    /// <summary>Makes sure that a judge would not take the place of another model; an earlier judge may be replaced. Cheap, so that it can be asked before the training.</summary>
    /// <param name="decoderFolder">The pretrained model.</param>
    /// <param name="outputFolder">The folder that is to be written.</param>
    /// <exception cref="ArgumentException">Both folders are the same.</exception>
    /// <exception cref="IOException">The folder holds the weights of a model that is no judge.</exception>
    public static void CheckTarget(string decoderFolder, string outputFolder) => ModelOutput.CheckTarget(decoderFolder, outputFolder, "the judge", IsJudge);

    private static bool IsJudge(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) && ModelConfig.Load(folder).Architecture?.EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true;

    /// <summary>Trains a judge and writes it.</summary>
    /// <param name="decoderFolder">Hugging Face folder of the pretrained model, tokenizer files included; left as it is.</param>
    /// <param name="examples">Judged answers to learn from.</param>
    /// <param name="outputFolder">Where the judge is written: whole, or not at all.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <param name="validation">Judged answers to measure with at the end; null for none.</param>
    /// <param name="placement">Device and number format; null chooses. Head and LoRA are trained in float32 at least.</param>
    /// <param name="progress">Told of the run after the first step and every <see cref="TrainingOptions.ReportEvery"/> steps.</param>
    /// <param name="cancellationToken">Stops between steps; nothing is written then.</param>
    /// <exception cref="ArgumentException">An option is out of its range, there is no example that can be trained on, or an example has a category that is not listed.</exception>
    /// <exception cref="IOException">The output folder holds a model that is no judge.</exception>
    /// <exception cref="InvalidDataException">The decoder's files are damaged or of another architecture.</exception>
    /// <exception cref="TrainingDivergedException">The loss, or what is trained, is not finite.</exception>
    public static JudgeTrainingResult Train(string decoderFolder, IReadOnlyList<JudgeExample> examples, string outputFolder, JudgeTrainingOptions? options = null,
        IReadOnlyList<JudgeExample>? validation = null, ComputePlacement? placement = null, IProgress<JudgeTrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(decoderFolder);
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentException.ThrowIfNullOrEmpty(outputFolder);
        options ??= new();
        options.Validate();
        placement ??= ComputePlacement.Resolve();
        placement.RequireTrainable();
        if (examples.Count == 0) throw new ArgumentException("There is no example to train the judge on.", nameof(examples));
        CheckTarget(decoderFolder, outputFolder);
        var categories = options.Categories ?? [.. examples.SelectMany(e => e.Categories.Keys).Distinct(StringComparer.Ordinal)];
        if (categories.Count == 0) throw new ArgumentException("The examples name no category.", nameof(examples));

        var clock = Stopwatch.StartNew();
        var seed = options.Training.Seed;
        var tokenizer = LanguageTokenizer.Load(decoderFolder);
        using var model = SequenceClassifier.FromDecoder(decoderFolder, categories, ModerationModelJudge.MultiLabel, placement, seed);
        var maxLength = Math.Min(options.MaxLength, model.Decoder.Config.MaxPositions);
        var (rows, counts) = JudgeTrainingRow.Create(examples, categories, tokenizer, maxLength, options, "the judge's training data");
        if (rows.Count == 0) throw new ArgumentException($"No example leaves an answer to judge within {maxLength} tokens: {counts}.", nameof(examples));
        var (held, heldCounts) = JudgeTrainingRow.Create(validation ?? [], categories, tokenizer, maxLength, options, "the judge's validation data");

        using var adapter = options.Lora is null ? null : LoraAdapter.Attach(model.LinearLayers().Where(l => l != model.Score), options.Lora, seed);
        using var run = new JudgeTrainingRun(model, adapter, rows, options.Training, progress);
        var result = run.Train(cancellationToken);
        var measured = held.Count == 0 ? default((double Loss, Metrics.BinomialRate Accuracy)?) : run.Evaluate(held, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();

        run.FinishHead();
        adapter?.Merge();
        AtomicOutput.WriteFolder(outputFolder, folder =>
        {
            model.Save(folder);
            foreach (var name in TokenizerFiles)
                if (File.Exists(Path.Combine(decoderFolder, name))) InputFile.Copy(Path.Combine(decoderFolder, name), Path.Combine(folder, name));
        });
        return new JudgeTrainingResult
        {
            Steps = result.Steps,
            Loss = result.History[^1].CrossEntropy,
            Categories = categories,
            Skipped = counts.Skipped,
            Rows = counts,
            ValidationRows = validation is null ? null : heldCounts,
            ValidationLoss = measured?.Loss,
            ValidationAccuracy = measured?.Accuracy,
            Duration = clock.Elapsed,
        };
    }
}

/// <summary>A tokenised example.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Labels">1 for each category that applies, else 0.</param>
internal sealed record JudgeTrainingRow(int[] Ids, long[] Labels)
{
    public static (List<JudgeTrainingRow> Rows, RowCounts Counts) Create(IReadOnlyList<JudgeExample> examples, IReadOnlyList<string> categories, LanguageTokenizer tokenizer, int maxLength, JudgeTrainingOptions options, string source)
    {
        var sieve = new RowSieve(options.Overlong, options.StrictRows, source);
        var rows = new List<JudgeTrainingRow>();
        foreach (var (example, i) in examples.Select((e, i) => (e, i)))
        {
            if (example.Categories.Keys.FirstOrDefault(k => !categories.Contains(k)) is { } unknown)
                throw new ArgumentException($"Row {example.Row ?? i + 1} of {source} has the category '{unknown}', which is not listed ({string.Join(", ", categories)}).", nameof(examples));
            if (sieve.IsEmpty(example.Response, example.Row)) continue;
            var (ids, hasAnswer, isCut) = ModerationInput.Encode(tokenizer, new(example.Prompt, example.Response), maxLength, ModerationTruncation.KeepStart);
            if (sieve.IsTaken(isCut, hasAnswer, ids.Length, example.Row)) rows.Add(new(ids, [.. categories.Select(c => example.Categories.GetValueOrDefault(c) ? 1L : 0L)]));
        }
        return (rows, sieve.Counts);
    }
}
