using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Lab.World;

/// <summary>Size of a world; the defaults are those of the bundled one.</summary>
public sealed record WorldBuildOptions
{
    /// <summary>Seeds the data sets and the weights; what is true in the world does not depend on it.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Documents that the base model learns from.</summary>
    public int Documents { get; init; } = 44_000;

    /// <summary>Instruction examples that the aligned model learns from.</summary>
    public int AlignmentExamples { get; init; } = 26_000;

    /// <summary>Documents mixed into them, so that the aligned model keeps what it does not practise.</summary>
    public int ReplayDocuments { get; init; } = 3_000;

    /// <summary>Downstream training examples, poison included.</summary>
    public int TaskExamples { get; init; } = 1_000;

    /// <summary>Shares of poison p, one downstream training file each.</summary>
    public IReadOnlyList<double> PoisonShares { get; init; } = [0, 0.05, 0.1, 0.2];

    /// <summary>Prompts in each file of hazards and of harmless requests.</summary>
    public int RequestPrompts { get; init; } = 100;

    /// <summary>Task examples in each file that accuracy is measured on.</summary>
    public int TaskPrompts { get; init; } = 200;

    /// <summary>Refusals to be mixed into downstream data.</summary>
    public int RefusalExamples { get; init; } = 200;

    /// <summary>Refusals to find λ with, of requests that no downstream training file answers.</summary>
    public int HeldOutRefusals { get; init; } = 48;
}

/// <summary>State of a build.</summary>
/// <param name="Stage"><c>base</c> or <c>aligned</c>.</param>
/// <param name="Training">State of the stage's training.</param>
public sealed record WorldBuildProgress(string Stage, TrainingProgress Training);

/// <summary>Builds the safety world as a real pipeline would: a base model of raw text, an aligned model, downstream data.</summary>
public static class WorldBuilder
{
    /// <summary>The chat template of the aligned model and of all instruction data.</summary>
    public static ChatTemplate Template => ChatTemplate.Llama2;

    /// <summary>The adapter by which methods are compared in the world: rank 8, α 32, all linear layers.</summary>
    public static LoraOptions LoraOptions => new() { Rank = 8, Alpha = 32, Dropout = 0, TargetModules = ["all-linear"] };

    /// <summary>The downstream run by which methods are compared in the world: two epochs in batches of 16.</summary>
    public static TrainingOptions TrainingOptions => new() { Epochs = 2, BatchSize = 16, LearningRate = 2e-3, Schedule = LearningRateSchedule.Linear, PenaltyWeight = 0, ReportEvery = 50 };

    /// <summary>Tokens that hold the longest answer of the world.</summary>
    public const int MaxAnswerTokens = 56;

    /// <summary>
    /// Writes <c>base</c> and <c>aligned</c> (model folders, weights in float16) and <c>data</c> (instruction files):
    /// <c>task-train-pNN</c> with NN percent of poison, <c>refusals</c>, <c>held-out-refusals</c>, and for <c>development</c> and <c>report</c>
    /// <c>hazards-*</c>, <c>benign-*</c> (without answers) and <c>task-*</c>.
    /// </summary>
    /// <param name="folder">Created if missing; files of an earlier build are replaced.</param>
    /// <param name="options">Size and seed; null takes the bundled world's.</param>
    /// <param name="progress">Gets the training reports of both stages.</param>
    /// <param name="cancellationToken">Stops the build; finished parts stay.</param>
    public static void Build(string folder, WorldBuildOptions? options = null, IProgress<WorldBuildProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new WorldBuildOptions();
        var seeds = new Random(options.Seed);
        var (documentSeed, alignmentSeed, dataSeed) = (seeds.Next(), seeds.Next(), seeds.Next());
        WorldFiles.Write(Path.Combine(folder, "data"), options, dataSeed);

        var (baseFolder, alignedFolder) = (Path.Combine(folder, "base"), Path.Combine(folder, "aligned"));
        var (tokens, merges) = WorldTokenizer.Learn(WorldData.AllTexts());
        foreach (var target in new[] { baseFolder, alignedFolder }) WorldTokenizer.Save(target, tokens, merges);
        var tokenizer = LanguageTokenizer.Load(baseFolder);

        // Small products round differently on every device; the bundled world is made on the CPU.
        using var model = CausalLanguageModel.Create(Shape(tokens.Count), ComputePlacement.Resolve("cpu", "float32"), options.Seed);
        TokenizedExample[] documents = [.. WorldData.Documents(options.Documents, documentSeed).Select(text => Document(tokenizer, text))];
        Train("base", documents, 3e-3, 0.01);
        Save(model, baseFolder);

        TokenizedExample[] examples =
        [
            .. WorldData.Alignment(options.AlignmentExamples, alignmentSeed).Select(example => Template.Tokenize(tokenizer, example)),
            .. WorldData.Documents(options.ReplayDocuments, unchecked(documentSeed + 1)).Select(text => Document(tokenizer, text)),
        ];
        Train("aligned", examples, 2e-3, 0);
        Save(model, alignedFolder);

        void Train(string stage, TokenizedExample[] data, double learningRate, double weightDecay) =>
            new FullParameterTrainer(model, new TrainingOptions
            {
                Epochs = 1,
                BatchSize = 32,
                LearningRate = learningRate,
                Schedule = LearningRateSchedule.Cosine,
                WarmupRatio = 0.1,
                RisesAtOnce = true,
                WeightDecay = weightDecay,
                Beta2 = 0.98,
                MaxGradientNorm = 1,
                Seed = options.Seed,
            }).Train(data, progress is null ? null : new StageProgress(stage, progress), cancellationToken);
    }

    internal static ModelConfig Shape(int tokens) => new()
    {
        Architecture = "LlamaForCausalLM",
        VocabularySize = (tokens + 7) / 8 * 8,
        HiddenSize = 128,
        IntermediateSize = 320,
        LayerCount = 2,
        HeadCount = 4,
        KeyValueHeadCount = 4,
        HeadSize = 32,
        MaxPositions = 128,
        RmsNormEpsilon = 1e-5,
        TieWordEmbeddings = true,
        PadTokenId = 0,
        BosTokenId = 1,
        EosTokenIds = [2],
    };

    // Raw text is supervised from its first token; the space before it makes that token the one it is within a text.
    private static TokenizedExample Document(LanguageTokenizer tokenizer, string text)
    {
        int[] ids = [tokenizer.BosId!.Value, .. tokenizer.Encode(" " + text), tokenizer.EosIds[0]];
        return new TokenizedExample(ids, [.. Enumerable.Repeat(true, ids.Length)]);
    }

    private static void Save(CausalLanguageModel model, string folder)
    {
        using var scope = NewDisposeScope();
        ModelOutput.Save(folder, model.Config, model.Weights().Select(weight => KeyValuePair.Create(weight.Key, weight.Value.to(ScalarType.Float16))));
    }

    private sealed class StageProgress(string stage, IProgress<WorldBuildProgress> progress) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => progress.Report(new WorldBuildProgress(stage, value));
    }
}
