using System.CommandLine;
using System.Globalization;
using AsFT.MLNet.Benchmarks.Harness;
using AsFT.MLNet.Benchmarks.Harness.Children;
using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft bench</c>: what the engine does on this machine, against the published loop and the machine's own limits.</summary>
internal sealed class BenchCommand : ToolCommand
{
    private readonly DeviceOptions _device = new();
    private readonly JsonFileOption _json = new("Also write the rows as a JSON array to a file; without a file, print it instead of text");
    private readonly Option<string[]> _only = new("--only") { HelpName = "NAME", Description = $"Only these: {string.Join(", ", BenchSuite.Names)}", AllowMultipleArgumentsPerToken = true };
    private readonly Option<bool> _long = new("--long") { Description = "Full shapes and more rounds, instead of the short form of less than five minutes" };
    private readonly Option<int?> _threads = new("--threads") { Description = "Threads that libtorch computes with" };
    private readonly Option<int?> _width = new("--width") { Description = "Width d of the model (1024), a multiple of 64" };
    private readonly Option<int?> _layers = new("--layers") { Description = "Decoder layers of the model" };
    private readonly Option<int?> _batch = new("--batch") { Description = "Sequences per training step (8)" };
    private readonly Option<int?> _sequence = new("--sequence") { Description = "Tokens per sequence of the training step (256)" };
    private readonly Option<int> _rank = new("--rank") { Description = "LoRA rank", DefaultValueFactory = _ => 8 };
    private readonly Option<double?> _seconds = new("--seconds") { Description = "Seconds per comparison, at least three rounds (6; 60 with --long)" };
    private readonly Option<string?> _scratch = new("--scratch-folder") { HelpName = "DIR", Description = "Where checkpoints are written, read and deleted again; the system's temporary folder otherwise" };
    private readonly Option<string[]?> _child = new("--child") { Hidden = true, AllowMultipleArgumentsPerToken = true };

    public BenchCommand() : base("bench", "Measure the engine on this machine: against the published loop, and against what the machine can do")
    {
        foreach (var option in new Option[] { _json, _only, _long, _threads, _width, _layers, _batch, _sequence, _rank, _seconds, _scratch, _child }) Options.Add(option);
        _device.AddTo(this);
    }

    protected override int Run(ToolRun run)
    {
        if (run.Get(_threads) is { } threads)
        {
            if (threads < 1) throw new ArgumentException("Threads must be at least 1.");
            set_num_threads(threads);
        }
        if (run.Get(_child) is { Length: > 0 } task)
        {
            run.Console.Output.WriteLine(ChildTasks.Run(task));
            return ExitCode.Success;
        }

        var file = run.Get(_json);
        var suite = new BenchSuite(Settings(run), arguments => RunChild(arguments, run.CancellationToken));
        var rows = suite.Run(
            machine => ShowMachine(run, machine),
            row => ShowRow(run, row),
            run.CancellationToken);
        run.SayJson(rows);
        ShowTable(run, rows);
        if (file is not null) AtomicOutput.WriteFile(file, partial => File.WriteAllText(partial, ToolRun.ToJson(rows)));
        return ExitCode.Success;
    }

    private BenchSettings Settings(ToolRun run) => new()
    {
        Placement = _device.Resolve(run),
        IsLong = run.Get(_long),
        Only = run.Get(_only) ?? [],
        Width = run.Get(_width),
        Layers = run.Get(_layers),
        Batch = run.Get(_batch),
        Sequence = run.Get(_sequence),
        Rank = run.Get(_rank),
        Seconds = run.Get(_seconds),
        ScratchFolder = run.Get(_scratch),
    };

    private static string RunChild(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var outcome = SelfProcess.Run(["bench", "--threads", $"{get_num_threads()}", "--child", .. arguments], cancellationToken);
        return outcome.ExitCode == ExitCode.Success ? outcome.Output
            : throw new InvalidOperationException($"The process for '{arguments[0]}' failed: {outcome.Error}");
    }

    private static void ShowMachine(ToolRun run, MachineReport machine)
    {
        run.Say($"{machine.Processor}, {machine.Cores} cores, {machine.Threads} threads, {Sizes.Format(machine.MemoryBytes)}; {machine.System}");
        run.Say($"models in {machine.DType} on {machine.Device}; time by {machine.Clock}");
        foreach (var gemm in machine.Ceilings.Gemms)
            run.Say($"  product {gemm.Rows} × {gemm.Inner} × {gemm.Columns}: {gemm.FlopsPerSecond / 1e9:0.0} GFLOP/s");
        run.Say($"  copy {machine.Ceilings.CopyBytesPerSecond / 1e9:0.0} GB/s (read and written), read {machine.Ceilings.ReadBytesPerSecond / 1e9:0.0} GB/s");
    }

    private static void ShowRow(ToolRun run, BenchRow row)
    {
        run.Say($"{Verdict(row)} {row.Name}: {Number(row.Ours)} against {Number(row.Against)} {row.Unit}, ratio {Number(row.Ratio)}{Spread(row)}, goal {row.Goal}");
        if (row.Note.Length > 0) run.Say($"       {row.Note}");
    }

    private static void ShowTable(ToolRun run, IReadOnlyList<BenchRow> rows)
    {
        var table = new ResultTable("what", "ours", "against", "unit", "ratio", "goal", "met", "of the limit");
        foreach (var row in rows)
            table.AddRow(row.Name, Number(row.Ours), Number(row.Against), row.Unit, Number(row.Ratio), row.Goal, Verdict(row).Trim(), row.ShareOfLimit is { } share ? $"{100 * share:0} %" : "");
        run.Say(table);
    }

    private static string Verdict(BenchRow row) => row.Met switch { true => "met   ", false => "missed", null => "      " };

    private static string Spread(BenchRow row) => row.Spread is { } spread ? $" ({Number(spread.Low)} to {Number(spread.High)})" : "";

    private static string Number(double value) => value is >= 1e6 or <= -1e6 ? value.ToString("0.00e0", CultureInfo.InvariantCulture) : value.ToString("G4", CultureInfo.InvariantCulture);
}
