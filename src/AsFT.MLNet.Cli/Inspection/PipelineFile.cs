using System.IO.Compression;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

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
        // Nothing is unpacked and nothing loaded: the parts tell, and a file that would harm who loads it can be looked at.
        if (Inspector.Try(report, () => Find(zip, path)) is not { } parts || Inspector.Try(report, () => SavedFineTune.Read(parts)) is not { } saved) return report;
        AddFineTune(report, saved);
        if (!saved.WithoutAdapter && Inspector.Try(report, () => ReadHeader(parts)) is { } header) report.Tensors = Inspector.Group(header.Entries.Values);
        Inspector.Try(report, () => CheckModel(parts, saved, path));
        return report;
    }

    /// <summary>The options of the fine-tune in a pipeline; needs no model folder.</summary>
    /// <exception cref="InvalidDataException">It has none, or is damaged.</exception>
    public static AsftFineTuneOptions ReadOptions(string path)
    {
        using var zip = new ZipArchive(InputFile.Open(path));
        return SavedFineTune.Read(Find(zip, path)).Options;
    }

    // Of several fine-tunes in one pipeline, the last.
    private static SavedParts Find(ZipArchive zip, string path) => SavedParts.Beside(zip, SavedFineTune.PartName, path)
        ?? throw new InvalidDataException($"'{path}' is an ML.NET model without an AsFT fine-tuned language model in it.");

    private static SafetensorsHeader ReadHeader(SavedParts parts)
    {
        var (name, length) = (parts.Name(AdapterFiles.WeightsName), parts.Length(AdapterFiles.WeightsName) ?? 0);
        var jsonLength = SafetensorsHeader.JsonLength(parts.ReadStart(AdapterFiles.WeightsName, SafetensorsHeader.PrefixSize), length, name);
        return SafetensorsHeader.Parse(parts.ReadStart(AdapterFiles.WeightsName, SafetensorsHeader.PrefixSize + jsonLength).AsSpan(SafetensorsHeader.PrefixSize), length, name);
    }

    private static SavedFineTune CheckModel(SavedParts parts, SavedFineTune saved, string path)
    {
        if (saved.IsModelEmbedded) LocatedModel.CheckEmbedded(parts, saved.Model);
        else new AsftLoadOptions().Use(path, () => LocatedModel.Open(parts, saved.Model, isEmbedded: false, null, AsftLoadOptions.Current, saved.Role)).Dispose();
        return saved;
    }

    private static void AddFineTune(InspectionReport report, SavedFineTune saved)
    {
        var options = saved.Options;
        report.Facts["model below"] = saved.IsModelEmbedded ? "in the file" : saved.Model.RelativePath ?? saved.Model.Path;
        report.Facts["columns"] = $"{options.PromptColumnName} -> {options.OutputColumnName}";
        report.Facts["template"] = options.Template;
        if (options.AdapterPath is { } earlier) report.Facts[saved.Result is null ? "adapter" : "went on from"] = saved.Result?.ContinuedFrom ?? earlier;
        if (saved.WithoutAdapter) report.Facts["adapter"] = "none";
        // Nothing was trained here, so options of training say nothing.
        if (saved.Result is not { } result) return;
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
        report.Facts["steps"] = result.Steps;
        report.Facts["cross-entropy"] = result.CrossEntropy;
        report.Facts["penalty"] = result.Penalty;
        if (options.RefusalTolerance is null) return;
        report.Facts["lambda found"] = result.PenaltyWeight;
        report.Facts["refusal loss"] = result.RefusalLoss;
    }
}
