using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;

namespace AsFT.MLNet.Cli.Inspection;

/// <summary>A PEFT adapter folder.</summary>
internal static class AdapterFolder
{
    public static InspectionReport Inspect(string folder)
    {
        var report = new InspectionReport { Kind = "PEFT adapter folder", Path = folder, Bytes = Inspector.BytesOf(Directory.EnumerateFiles(folder)) };
        if (Inspector.Try(report, () => LoraAdapter.ReadOptions(folder)) is { } options)
        {
            report.Facts["rank"] = options.Rank;
            report.Facts["alpha"] = options.Alpha;
            report.Facts["dropout"] = options.Dropout;
            report.Facts["rsLoRA"] = options.UseRsLora;
            report.Facts["target modules"] = string.Join(", ", options.TargetModules);
        }
        using var file = Inspector.Try(report, () => SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors")));
        if (file is null) return report;
        if (AdapterMetadata.FormatOf(file) is { } format) report.Facts["trained on weights held as"] = format.ToString();
        report.Facts["tensors"] = file.Entries.Count;
        report.Facts["numbers"] = file.Entries.Values.Sum(entry => entry.Shape.Aggregate(1L, (product, size) => product * size));
        report.Tensors = Inspector.Group(file.Entries.Values);
        return report;
    }
}
