using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Cli.Inspection;

/// <summary>A Hugging Face model folder.</summary>
internal static class ModelFolder
{
    public static InspectionReport Inspect(string folder)
    {
        var report = new InspectionReport { Kind = "model folder", Path = folder, Bytes = Inspector.BytesOf(Directory.EnumerateFiles(folder)) };
        var config = Inspector.Try(report, () => ModelConfig.Load(folder));
        if (config is not null) AddConfig(report, config);
        using var checkpoint = Inspector.Try(report, () => ModelCheckpoint.Open(folder));
        if (checkpoint is not null)
        {
            report.Facts["weight files"] = checkpoint.Files.Count;
            report.Facts["tensors"] = checkpoint.Entries.Count;
            report.Tensors = Inspector.Group(checkpoint.Entries.Values);
        }
        // The model is laid out on libtorch's meta device, the one thing here that needs it.
        if (NativeLibraryLoader.TryLoad() is { } missing)
            report.Facts["weights"] = $"not compared with config.json: {missing}";
        else if (config is not null && checkpoint is not null && Inspector.Try(report, () => CheckpointFit.Check(config, checkpoint)) is { } fit)
        {
            report.Facts["parameters"] = fit.ParameterCount;
            report.Problems.AddRange(fit.Problems);
            if (fit.UnusedTensors.Count > 0) report.Facts["unused tensors"] = string.Join(", ", fit.UnusedTensors);
        }
        var tokenizer = Inspector.Try(report, () => LanguageTokenizer.Load(folder));
        if (tokenizer is not null) AddTokenizer(report, tokenizer);
        report.Facts["chat template"] = Inspector.Try(report, () => ChatTemplates.Describe(folder, tokenizer)) ?? "cannot be used";
        return report;
    }

    private static void AddConfig(InspectionReport report, ModelConfig config)
    {
        report.Facts["architecture"] = config.Architecture ?? config.ModelType;
        report.Facts["family"] = config.ModelType;
        report.Facts["layers"] = config.LayerCount;
        report.Facts["hidden size"] = config.HiddenSize;
        report.Facts["MLP size"] = config.IntermediateSize;
        report.Facts["attention heads"] = config.HeadCount;
        report.Facts["key/value heads"] = config.KeyValueHeadCount;
        report.Facts["vocabulary"] = config.VocabularySize;
        report.Facts["positions"] = config.MaxPositions;
        if (config.Spec.Window is { } window) report.Facts["window"] = $"{window} tokens, in {Enumerable.Range(0, config.LayerCount).Count(i => config.Spec.WindowOf(i) is not null)} of {config.LayerCount} layers";
        if (config.StoredFormat != WeightFormat.Dense) report.Facts["weights stored as"] = config.StoredFormat.ToString();
        report.Facts["tied head"] = config.TieWordEmbeddings;
    }

    private static void AddTokenizer(InspectionReport report, LanguageTokenizer tokenizer) =>
        report.Facts["tokenizer"] = $"{tokenizer.VocabularySize} tokens, BOS {tokenizer.BosId?.ToString() ?? "none"}, EOS {string.Join(", ", tokenizer.EosIds)}";
}
