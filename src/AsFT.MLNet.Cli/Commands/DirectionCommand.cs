using System.CommandLine;
using System.Globalization;
using AsFT.MLNet.Cli.Inspection;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft direction</c>: the alignment direction of two checkpoints, kept in a file.</summary>
internal sealed class DirectionCommand : ToolCommand
{
    private readonly Option<string> _aligned = new("--aligned") { HelpName = "DIR", Description = "Folder of the aligned model", Required = true };
    private readonly Option<string> _base = new("--base") { HelpName = "DIR", Description = "Folder of the base model of the same shape", Required = true };
    private readonly Option<string> _targetModules = new("--target-modules") { Description = "Linear layers, with commas between: names, suffixes, or all-linear", DefaultValueFactory = _ => "q_proj,v_proj" };
    private readonly Option<string> _format = new("--format") { Description = "fp32 (exact), bf16 (half the size), rank-K (two factors of rank K), or what a penalty needs alone, a fraction of the size: spectrum-K (K singular vectors a layer) or spectrum-all", DefaultValueFactory = _ => "fp32" };
    private readonly Option<string> _vectorDType = new Option<string>("--vector-dtype") { Description = "Number format of the vectors of a spectrum", DefaultValueFactory = _ => "bfloat16" }.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "bfloat16", "float32");
    private readonly Option<string> _device = new("--device") { Description = "Where a spectrum is computed: auto, cpu, cuda, cuda:N or mps", DefaultValueFactory = _ => "auto" };
    private readonly Option<bool> _allowQuantized = new("--allow-quantized-direction") { Description = "Take weights from quantised files, too; the direction is mostly noise then" };
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "File to write (.safetensors)", Required = true };

    private readonly ForceOption _force = new("a file that is no alignment direction");

    public DirectionCommand() : base("direction", "Write the alignment direction, aligned - base, of the named layers to a file")
    {
        foreach (var option in new Option[] { _aligned, _base, _targetModules, _format, _vectorDType, _device, _allowQuantized, _out, _force }) Options.Add(option);
    }

    protected override int Run(ToolRun run)
    {
        var format = ReadFormat(run.Get(_format)) with { VectorDType = run.Get(_vectorDType).Equals("float32", StringComparison.OrdinalIgnoreCase) ? ScalarType.Float32 : ScalarType.BFloat16 };
        var path = Path.GetFullPath(run.Get(_out));
        CheckTarget(run, path);
        using var folder = new OutputFolder(Path.GetDirectoryName(path)!);
        var made = Write(run, run.Get(_aligned), run.Get(_base), run.Get(_targetModules).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), path,
            format.Encoding == AlignmentDirectionEncoding.Spectrum ? format with { Device = ComputePlacement.Resolve(run.Get(_device), "float32").Device } : format, run.Get(_allowQuantized));
        folder.Keep();

        var layers = made.Select(layer => new { name = layer.Name, norm = layer.Norm }).ToList();
        run.Say($"{layers.Count} layers, norm of D {layers.Min(l => l.norm):0.0000} to {layers.Max(l => l.norm):0.0000}: {path} ({Sizes.Format(InputFile.Length(path))})");
        foreach (var layer in layers.Where(l => l.norm == 0)) run.Say($"note: both models agree in {layer.name}; nothing is protected there.");
        run.SayJson(new { output = path, bytes = InputFile.Length(path), layers });
        return ExitCode.Success;
    }

    // The name may be that of an adapter or of a model's weights.
    private void CheckTarget(ToolRun run, string path)
    {
        if (run.Get(_force) || !File.Exists(path)) return;
        if (Inspector.Inspect(path).Kind != Inspector.Direction)
            throw new IOException($"'{path}' is there and is no alignment direction. Give another --out, or --force to write over it.");
    }

    private static AlignmentDirectionFormat ReadFormat(string format) => format.ToLowerInvariant().Split('-') switch
    {
        ["fp32"] => new(),
        ["bf16"] => new() { Encoding = AlignmentDirectionEncoding.BFloat16 },
        ["rank", var rank] when Count(rank) is { } count => new() { Encoding = AlignmentDirectionEncoding.Factors, Rank = count },
        ["spectrum", "all"] => new() { Encoding = AlignmentDirectionEncoding.Spectrum },
        ["spectrum", var vectors] when Count(vectors) is { } count => new() { Encoding = AlignmentDirectionEncoding.Spectrum, Rank = count },
        _ => throw new ArgumentException("Format must be fp32, bf16, rank-K, spectrum-K or spectrum-all, with K of at least 1, such as spectrum-256.", nameof(format)),
    };

    private static int? Count(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1 ? count : null;

    /// <summary>Writes a direction that carries the fingerprints of both models, and shows how far it is.</summary>
    public static IReadOnlyList<AlignmentDirectionLayer> Write(ToolRun run, string alignedFolder, string baseFolder, IReadOnlyList<string> targetModules, string path, AlignmentDirectionFormat? format = null, bool allowQuantized = false)
    {
        using var aligned = ModelCheckpoint.Open(alignedFolder);
        using var baseline = ModelCheckpoint.Open(baseFolder);
        var layers = TargetModules.Select(CheckpointFit.Check(ModelConfig.Load(alignedFolder), aligned).LinearLayerNames, targetModules);
        format = (format ?? new()) with
        {
            AlignedFingerprint = CheckpointFingerprint.Compute(alignedFolder, run.CancellationToken).Sha256,
            BaseFingerprint = CheckpointFingerprint.Compute(baseFolder, run.CancellationToken).Sha256,
        };
        return ProgressDisplay.Show(run, "Alignment direction", display =>
            AlignmentDirection.BuildToFile(aligned, baseline, layers, path, format, new Forwarder(display), allowQuantized, run.CancellationToken));
    }

    private sealed class Forwarder(IProgress<WorkState> display) : IProgress<AlignmentDirectionProgress>
    {
        public void Report(AlignmentDirectionProgress value) => display.Report(new(value.LayersDone, value.LayerCount, value.LayerName));
    }
}
