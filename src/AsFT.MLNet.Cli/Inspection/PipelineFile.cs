using System.IO.Compression;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using Microsoft.ML;

namespace AsFT.MLNet.Cli.Inspection;

/// <summary>A pipeline that <c>mlContext.Model.Save</c> wrote.</summary>
internal static class PipelineFile
{
    public static InspectionReport Inspect(string path)
    {
        var report = new InspectionReport { Kind = "ML.NET model", Path = path, Bytes = InputFile.Length(path) };
        using var zip = Inspector.Try(report, () => new ZipArchive(InputFile.Open(path)));
        if (zip is null) return report;
        report.Facts["entries"] = zip.Entries.Count;
        report.Facts["unpacked bytes"] = zip.Entries.Sum(entry => entry.Length);
        // What the file itself tells needs no model folder.
        if (Find(zip, SavedFineTune.PartName) is { } part)
        {
            if (Inspector.Try(report, () => Read(part)) is not { } saved) return report;
            AddFineTune(report, saved);
        }
        AddAdapter(report, zip);
        // Loading checks the model folder below the adapter; weights are not read.
        if (Inspector.Try(report, () => new MLContext().Model.LoadAsft(path, new AsftLoadOptions(), out _)) is not { } model) return report;
        using var disposable = model as IDisposable;
        Inspector.Try(report, () => Pipelines.FindFineTuned(model, path));
        return report;
    }

    /// <summary>The options of the fine-tune in a pipeline; needs no model folder.</summary>
    /// <exception cref="InvalidDataException">It has none, or is damaged.</exception>
    public static AsftFineTuneOptions ReadOptions(string path)
    {
        using var zip = new ZipArchive(InputFile.Open(path));
        return Read(Find(zip, SavedFineTune.PartName) ?? throw new InvalidDataException($"'{path}' is an ML.NET model without an AsFT fine-tuned language model in it.")).Options;
    }

    private static SavedFineTune Read(ZipArchiveEntry part)
    {
        using var stream = part.Open();
        return SavedFineTune.Read(stream);
    }

    private static void AddFineTune(InspectionReport report, SavedFineTune saved)
    {
        var options = saved.Options;
        report.Facts["model below"] = saved.IsModelEmbedded ? "in the file" : saved.Model.Path;
        report.Facts["columns"] = $"{options.PromptColumnName} -> {options.OutputColumnName}";
        report.Facts["template"] = options.Template;
        if (options.Preset is not null) report.Facts["preset"] = options.Preset;
        report.Facts["lambda"] = options.Lambda;
        report.Facts["projection"] = options.Projection.ToString();
        if (options.Projection == AlignmentProjection.Guard) report.Facts["guard power"] = options.GuardPower;
        if (options.RefusalTolerance is { } tolerance)
        {
            report.Facts["refusal tolerance"] = tolerance;
            report.Facts["refusal check every"] = options.RefusalCheckEvery is { } steps ? $"{steps} step{(steps == 1 ? "" : "s")}" : "32 looks a run";
            report.Facts["held-out refusals"] = options.HeldOutRefusalsPath ?? "";
        }
        report.Facts["rank"] = options.Rank;
        report.Facts["alpha"] = options.Alpha;
        report.Facts["target modules"] = string.Join(", ", options.TargetModules);
        if (saved.Result is not { } result) return;
        report.Facts["steps"] = result.Steps;
        report.Facts["cross-entropy"] = result.CrossEntropy;
        report.Facts["penalty"] = result.Penalty;
        if (options.RefusalTolerance is null) return;
        report.Facts["lambda found"] = result.PenaltyWeight;
        report.Facts["refusal loss"] = result.RefusalLoss;
    }

    private static void AddAdapter(InspectionReport report, ZipArchive zip)
    {
        if (Find(zip, AdapterFiles.WeightsName) is not { } entry) return;
        var folder = Directory.CreateTempSubdirectory("asft-info-");
        try
        {
            var path = Path.Combine(folder.FullName, AdapterFiles.WeightsName);
            using var file = Inspector.Try(report, () =>
            {
                entry.ExtractToFile(path);
                return SafetensorsFile.Open(path);
            });
            if (file is not null) report.Tensors = Inspector.Group(file.Entries.Values);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Of several fine-tunes in one pipeline, the last.
    private static ZipArchiveEntry? Find(ZipArchive zip, string part) =>
        zip.Entries.LastOrDefault(entry => entry.FullName.Split('/', '\\')[^1] == part);
}
