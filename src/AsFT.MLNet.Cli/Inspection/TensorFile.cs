using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.MLNet.Cli.Inspection;

/// <summary>A safetensors file, plain or holding an alignment direction.</summary>
internal static class TensorFile
{
    public static InspectionReport Inspect(string path)
    {
        var report = new InspectionReport { Kind = "safetensors file", Path = path, Bytes = InputFile.Length(path) };
        using var file = Inspector.Try(report, () => SafetensorsFile.Open(path));
        if (file is null) return report;
        if (file.Metadata.GetValueOrDefault("format") == "asft-alignment-direction") AddDirection(report, path);
        report.Facts["tensors"] = file.Entries.Count;
        report.Facts["numbers"] = file.Entries.Values.Sum(entry => entry.Shape.Aggregate(1L, (product, size) => product * size));
        foreach (var (key, value) in file.Metadata) report.Facts[key] = value;
        report.Tensors = Inspector.Group(file.Entries.Values);
        return report;
    }

    private static void AddDirection(InspectionReport report, string path)
    {
        report.Kind = Inspector.Direction;
        if (Inspector.Try(report, () => AlignmentDirection.ReadNorms(path)) is not { } layers) return;
        report.Facts["layers"] = layers.Count;
        if (layers.Count > 0) report.Facts["norm of D"] = $"{layers.Min(layer => layer.Norm):0.0000} to {layers.Max(layer => layer.Norm):0.0000}";
        if (layers.Where(layer => layer.Norm == 0).Select(layer => layer.Name).ToList() is { Count: > 0 } same)
            report.Problems.Add($"D = 0 in {string.Join(", ", same)}: both models agree there, so nothing would be protected");
    }
}
