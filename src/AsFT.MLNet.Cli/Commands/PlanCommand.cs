using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Models.Weights;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft plan</c>: the memory that a fine-tune would take, told from <c>config.json</c> alone; no weight is read.</summary>
internal sealed class PlanCommand : ToolCommand
{
    private const long Reserve = 3L << 29;
    private static readonly long[] Cards = [24, 48, 80];

    private readonly FineTuneArguments _arguments = new();

    public PlanCommand() : base("plan", "Tell the memory that a fine-tune with the same options would take, from config.json (and the headers of weights, where they are there)") => _arguments.AddTo(this);

    public override IReadOnlyDictionary<string, string> OptionNames => _arguments.Words;

    protected override int Run(ToolRun run)
    {
        var options = _arguments.Read(run);
        options.Adapter.Validate();
        options.Training.Validate();
        options.Penalty.Validate();
        var folder = options.AlignedModelPath!;
        var config = Compared(run, folder, ModelConfig.Load(folder));
        var placement = Placement(options);
        placement.RequireTrainable();
        var (rows, width) = (Math.Min(options.MicroBatchSize ?? options.BatchSize, options.BatchSize), options.MaxSequenceLength ?? config.MaxPositions);
        if (width > config.MaxPositions) throw new ArgumentException($"--max-length is {width}; the model has {config.MaxPositions} positions.");
        // What protects needs a direction, wherever it will come from.
        var isPenalised = options.Projection == AlignmentProjection.None || options.Lambda > 0 || options.BaseModelPath is not null || options.DirectionPath is not null;
        var plan = MemoryPlan.Of(config, options.Adapter, options.Training, isPenalised ? options.Penalty : null, placement, rows, width, format: options.WeightFormat);
        var isGpu = placement.Device.type != DeviceType.CPU;
        var fits = Cards.Where(card => plan.Total + Reserve <= card << 30).ToList();

        run.Say($"{config.Architecture ?? config.ModelType}, {rows} x {width} tokens a forward pass{(options.ActivationCheckpointing ? ", activations computed again" : "")}, {placement.DType} on {placement.Device.type.ToString().ToLowerInvariant()}:");
        var table = new ResultTable("part", "size");
        foreach (var (name, bytes) in plan.Parts)
            if (bytes > 0) table.AddRow(name, MemoryPlan.Text(bytes));
        table.AddRow("total at the peak", MemoryPlan.Text(plan.Total));
        if (isGpu) table.AddRow("in host memory, in passing", MemoryPlan.Text(plan.Host));
        run.Say(table);
        if (isGpu)
            run.Say($"With {MemoryPlan.Text(Reserve)} for the driver and what the allocator cannot use: {(fits.Count > 0 ? $"fits a card of {string.Join(", ", fits.Select(card => $"{card} GB"))}" : $"fits none of {string.Join(", ", Cards.Select(card => $"{card} GB"))}")}.");
        run.SayJson(new
        {
            model = folder,
            rows,
            width,
            device = placement.Device.type.ToString().ToLowerInvariant(),
            dtype = placement.DType.ToString().ToLowerInvariant(),
            weightFormat = plan.Format,
            plan.Weights,
            plan.Adapter,
            plan.Penalty,
            plan.Activations,
            plan.Logits,
            plan.Workspace,
            plan.Dequantized,
            plan.Held,
            plan.Runtime,
            plan.Direction,
            plan.Total,
            plan.Host,
            fits = isGpu ? fits : null,
        });
        return ExitCode.Success;
    }

    // The machine that plans need not be the one that trains.
    private static ComputePlacement Placement(AsftFineTuneOptions options)
    {
        var type = options.Device switch
        {
            "cpu" => DeviceType.CPU,
            "mps" => DeviceType.MPS,
            null or "auto" or "cuda" => DeviceType.CUDA,
            var device when device.StartsWith("cuda:", StringComparison.Ordinal) => DeviceType.CUDA,
            var device => throw new ArgumentException($"--device is '{device}'; expected auto, cpu, cuda, cuda:N or mps."),
        };
        var dtype = options.DType == "auto" ? ComputePlacement.AutomaticFormat(type, null) : ComputePlacement.Resolve("cpu", options.DType).DType;
        return new(type == DeviceType.CPU ? CPU : new Device(type, 0), dtype);
    }

    // What headers tell goes before what the config says of them.
    private static ModelConfig Compared(ToolRun run, string folder, ModelConfig config)
    {
        if (!File.Exists(Path.Combine(folder, ModelCheckpoint.SingleFile)) && !File.Exists(Path.Combine(folder, ModelCheckpoint.IndexFile)))
        {
            run.Note($"'{folder}' has no weights; config.json alone is gone by.");
            return config;
        }
        using var checkpoint = ModelCheckpoint.Open(folder);
        var fit = CheckpointFit.Check(config, checkpoint);
        if (fit.Problems.Count > 0) run.Warn($"config.json and the weights in '{folder}' do not fit ({fit.Problems[0]}); config.json is gone by.");
        var stored = fit.LinearLayerNames.Select(name => BitsAndBytes.StoredFormat(checkpoint, $"{name}.weight")).FirstOrDefault(format => format is not null);
        return config with { StoredFormat = stored ?? WeightFormat.Dense };
    }
}
